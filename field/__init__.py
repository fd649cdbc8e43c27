"""`make field`: servers that nobody here wrote, judged with our fakes behind them. It writes docs/field.md."""
