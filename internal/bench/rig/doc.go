// Package rig provides what benchmarks of Scout measure: clips as audio, the path of scout transcribe, and both
// engines.
package rig
