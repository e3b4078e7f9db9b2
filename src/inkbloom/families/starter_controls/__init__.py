"""The starter's ControlNets, trained by `training.starter.control_stage`: starter-canny follows outlines."""
