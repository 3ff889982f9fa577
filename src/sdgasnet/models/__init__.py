"""The network: blocks, backbones, frequency filter, neck, head, deploy graph, torch session."""
