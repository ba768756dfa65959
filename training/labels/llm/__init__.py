"""Labels that a large language model (LLM) writes, and what they cost."""
