"""Speed and false alarms: scripts for developers, each measured next to an alternative."""
