"""Which of the paper's ideas help, at equal budgets: one recipe, trained again with one thing changed."""
