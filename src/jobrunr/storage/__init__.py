"""Where jobs are kept: `contract` says what a provider must do, the others do it."""
