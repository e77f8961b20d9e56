# A command that the project added.
id -un
