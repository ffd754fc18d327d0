"""What is collected here: the healthy loops are programs, run by their own test."""

collect_ignore = ["healthy_loops"]
