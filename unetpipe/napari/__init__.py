"""The napari plugin: segment in a viewer, look at the cells, correct them, and save them to train on."""
