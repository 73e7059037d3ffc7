package model

import "net/http"

// PartFile is the interface of a file being written, which tests replace.
type PartFile = partFile

// WithPartFiles lets a test intercept what a pull writes to the disk.
func WithPartFiles(open func(path string, offset int64) (PartFile, error)) Option {
	return func(s *Store) { s.openPart = open }
}

// SwapInTwoSteps exchanges folders on systems that cannot do it in one step.
func SwapInTwoSteps(staged, final string) error { return swapInTwoSteps(staged, final) }

// ParseManifest reads a model.json.
func ParseManifest(data []byte, id string) error {
	_, err := parseManifest(data, id)
	return err
}

// ParseSums reads a models.lock.
func ParseSums(data []byte) error {
	_, err := parseSums(data)
	return err
}

// NewHTTPClient is the client that a store has by default.
func NewHTTPClient() *http.Client { return newHTTPClient() }
