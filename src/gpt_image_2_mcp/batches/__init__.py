"""Batches: many pictures from one call, now as jobs, or cheaply through OpenAI's Batch API."""
