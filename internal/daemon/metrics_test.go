package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/observe/prom"
)

func TestAScrapeHasTheMetricsOfBothProcesses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		gaps metric.Collector // of the recorder
		err  error
		want string
	}{
		"a recorder runs": {
			gaps: counter("scout_errors_total", "Errors.", 3),
			want: "scout_errors_total{process=\"daemon\"} 2\nscout_errors_total{process=\"recorder\"} 3\nscout_recorder_metrics_errors_total{process=\"daemon\"} 0\n",
		},
		"a metric that only the recorder has": {
			gaps: counter("scout_gaps_total", "Gaps.", 3),
			want: "scout_errors_total{process=\"daemon\"} 2\nscout_gaps_total{process=\"recorder\"} 3\nscout_recorder_metrics_errors_total{process=\"daemon\"} 0\n",
		},
		"a recorder of another build": {
			gaps: metric.NewGauge(metric.Opts{Name: "scout_errors_total", Help: "Another meaning."}),
			want: "scout_errors_total{process=\"daemon\"} 2\nscout_recorder_metrics_errors_total{process=\"daemon\"} 0\n",
		},
		"no recorder": {want: "scout_errors_total{process=\"daemon\"} 2\nscout_recorder_metrics_errors_total{process=\"daemon\"} 0\n"},
		"a recorder that does not answer": {
			err:  errors.New("no answer"),
			want: "scout_errors_total{process=\"daemon\"} 2\nscout_recorder_metrics_errors_total{process=\"daemon\"} 1\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := prom.NewRegistry()
			if _, err := own.Register(counter("scout_errors_total", "Errors.", 2)); err != nil {
				t.Fatal(err)
			}
			s := newScrape(observe.NewScope(nil, own, nil), own, func(context.Context) ([]metric.Family, error) {
				if test.gaps == nil {
					return nil, test.err
				}
				return test.gaps.Collect(), test.err
			}, func(context.Context) {})
			help := map[string]string{
				"scout_errors_total":                  "# HELP scout_errors_total Errors.\n# TYPE scout_errors_total counter\n",
				"scout_gaps_total":                    "# HELP scout_gaps_total Gaps.\n# TYPE scout_gaps_total counter\n",
				"scout_recorder_metrics_errors_total": "# HELP scout_recorder_metrics_errors_total Scrapes without the metrics of the recorder, although one runs.\n# TYPE scout_recorder_metrics_errors_total counter\n",
			}
			var want strings.Builder
			for line := range strings.Lines(test.want) {
				name := line[:strings.IndexAny(line, " {")]
				want.WriteString(help[name] + line)
				delete(help, name)
			}
			if err := testutil.GatherAndCompare(s, strings.NewReader(want.String()), "scout_errors_total", "scout_gaps_total", "scout_recorder_metrics_errors_total"); err != nil {
				t.Error(err)
			}
			if s.routines.Value() < 1 {
				t.Error("the scrape counts no goroutines")
			}
		})
	}
}

func counter(name, help string, value float64) metric.Collector {
	c := metric.NewCounter(metric.Opts{Name: name, Help: help})
	c.Add(value)
	return c
}
