package service

import (
	"bufio"
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/scout-speech/scout"
)

// metrics is a scrape: the value of each series, by its name with its labels, as Prometheus' text format has them.
type metrics map[string]float64

// metrics scrapes the daemon.
func (h *house) metrics(ctx context.Context) (metrics, error) {
	a, err := h.owner.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	if !a.ok() {
		return nil, scout.Errorf(scout.CodeInternal, "GET /metrics: %s", a.what())
	}
	return parseMetrics(string(a.body)), nil
}

// parseMetrics reads the text format. Comments and what is no series are left out.
func parseMetrics(text string) metrics {
	m := make(metrics)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			m[line[:at]] = value
		}
	}
	return m
}

// sum adds all series of a name.
//
//	process  only those of that process; empty for all
func (m metrics) sum(name, process string) (total float64) {
	for series, value := range m {
		is, labels, _ := strings.Cut(series, "{")
		if is == name && (process == "" || strings.Contains(labels, `process="`+process+`"`)) {
			total += value
		}
	}
	return total
}

// newLines reads lines of up to 16 MiB.
func newLines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	return lines
}
