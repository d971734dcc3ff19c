"""Small applications, as users might write them, for the tests to enqueue and run."""
