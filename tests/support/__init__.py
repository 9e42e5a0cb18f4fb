"""What tests share: servers and peers, the worlds that a test runs in, and what is said about exchanges."""
