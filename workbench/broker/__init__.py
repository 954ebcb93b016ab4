"""The Kafka side: clients, topics and offsets."""
