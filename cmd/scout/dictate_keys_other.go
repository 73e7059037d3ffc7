//go:build !linux

package main

import "os"

// keyByKey leaves the terminal as it is: Enter stops, and Ctrl-C is a signal.
func keyByKey(*os.File) (restore func(), err error) { return func() {}, nil }

// inForeground is not known here.
func inForeground(*os.File) bool { return true }

// stopHere does nothing: Ctrl-Z is a signal here.
func stopHere() {}
