// Package rig is what benchmarks measure Scout with: clips as audio, the path of scout transcribe, and both engines.
package rig
