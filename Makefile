# `make demo` and `make test` set everything up first; every step of it is skipped when up to date. The tests
# of the page install Chromium where they may: test/studio/browser.ts.
.PHONY: help setup demo test clean

help:
	@echo 'make demo    set up, run the small trained model on all its tasks, then train live; writes runs/demo/index.html'
	@echo 'make test    set up, then check types, lint and format and run all tests'
	@echo 'make setup   only set up: LibTorch, npm packages, the addon, ffmpeg'
	@echo 'make clean   remove what setup built (not the npm packages)'
	@echo
	@echo 'After setup the program is ./mfm; ./mfm --help says what it can do.'

setup:
	@scripts/setup

demo: setup
	@./mfm demo

test: setup
	@npm test --silent

clean:
	rm -rf build dist
