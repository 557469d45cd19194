"""What stands between the methods and the stages: settings, data, measuring, studies, files, tracking."""
