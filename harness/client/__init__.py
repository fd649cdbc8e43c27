"""The recording clients: they write down what a server did and when, and judge nothing."""
