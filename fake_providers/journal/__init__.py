"""What the fakes were asked and what they sent: entries, assertions about them, and clients that fetch them."""
