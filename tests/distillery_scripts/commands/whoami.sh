#!/usr/bin/env bash
# A command that the project added.
id -un
