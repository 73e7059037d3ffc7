package model

import (
	"net/http"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/resilience"
)

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

// WithCatalogue replaces the catalogue, for a company's own list of models.
func WithCatalogue(entries []Entry) Option {
	return func(s *Store) { s.catalogue = slices.Clone(entries) }
}

// WithHTTPClient replaces the client that downloads. It must have no total timeout: a large file may take hours.
// WithStallTimeout limits a download instead.
func WithHTTPClient(client *http.Client) Option { return func(s *Store) { s.client = client } }

// WithRetry replaces the policy of repeated downloads of one file from one source. A source that brings no byte in
// several consecutive attempts is given up before the policy is exhausted.
func WithRetry(policy resilience.Policy) Option { return func(s *Store) { s.retry = policy } }

// WithStallTimeout sets how long a download may bring nothing before it is repeated; default 30 s.
func WithStallTimeout(d time.Duration) Option { return func(s *Store) { s.stall = d } }

// WithClock replaces the clock that stamps manifests and measures rates.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// WithFigures replaces what was measured of models, in the form of FiguresFile.
func WithFigures(data []byte) Option { return func(s *Store) { s.figures = data } }
