"""Recorded sounds: out of packages, decoded, laid out in folders by what is heard."""
