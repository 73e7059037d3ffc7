// Package footprint keeps processes small once they run.
package footprint
