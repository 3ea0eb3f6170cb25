# For the CPU:        docker build -t unetpipe .
# For NVIDIA's GPUs:  docker build -t unetpipe --build-arg DEVICE=cuda .
# Run it in a folder: docker run --rm --shm-size=2g -v "$PWD:/data" --user "$(id -u):$(id -g)" unetpipe segment IMAGES --output MASKS
# With a GPU, also give: --gpus all. HOME and USER are set for users that the image does not know, as --user gives it.
FROM python:3.11-slim
ARG DEVICE=cpu
ENV HOME=/tmp USER=unetpipe PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# PyTorch first: it is by far the largest layer and changes least. PyPI's build for Linux is that for CUDA.
COPY constraints.txt ./
RUN case "$DEVICE" in \
        cpu) index=https://download.pytorch.org/whl/cpu ;; \
        cuda) index=https://pypi.org/simple ;; \
        *) echo "DEVICE must be cpu or cuda, got $DEVICE" >&2; exit 1 ;; \
    esac \
    && python3 -m pip install --index-url "$index" --constraint constraints.txt torch
COPY pyproject.toml README.md LICENSE ./
COPY bundles bundles
COPY unetpipe unetpipe
RUN python3 -m pip install --constraint constraints.txt ".[large,export,tables]"
WORKDIR /data
ENTRYPOINT ["unetpipe"]
CMD ["--help"]
