package observe_test

import (
	"flag"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/resilience"
)

// update rewrites the tables from the sources. It keeps the texts that only a person can write, and puts "?" into new
// rows until somebody does:
//
//	go test ./internal/observe -run Documented -update
var update = flag.Bool("update", false, "rewrite the tables in docs/formats")

const unsaid = "?"

func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	const header = "| metric | type | labels | meaning |"
	path := filepath.Join(repository, "docs", "formats", "metrics.md")
	found := readSources(t)
	report(t, found.metricProblems)
	want := make(map[string][]string)
	for name, m := range found.metrics {
		labels := code()
		if m.labels != "" {
			labels = code(strings.Split(m.labels, ", ")...)
		}
		want[code(name)] = []string{m.kind, labels, m.help}
	}
	doc := readTable(t, path, header)
	if *update {
		doc.rows = want
		doc.write(t, path, header)
		return
	}
	compare(t, path, doc.rows, want)

	// The table also matches what is registered at run time.
	registry := prom.NewRegistry()
	scope := observe.NewScope(nil, registry, nil)
	resilience.NewBreaker(scope, resilience.BreakerOptions{Name: "engine"})
	failures := observe.NewFailures(scope)
	if err := failures.Guard("engine", func() error { panic("injected") }); err == nil {
		t.Error("the panic gave no error")
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 5 {
		t.Fatalf("%d metrics, %v, want 5", len(families), err)
	}
	for _, family := range families {
		var labels []string
		for _, pair := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		row := []string{strings.ToLower(family.GetType().String()), code(labels...), family.GetHelp()}
		if documented := doc.rows[code(family.GetName())]; !slices.Equal(documented, row) {
			t.Errorf("%s: documented %q, registered %q", family.GetName(), documented, row)
		}
	}
}

func TestLogEventsAreDocumented(t *testing.T) {
	t.Parallel()
	const header = "| event | level | when | attributes |"
	path := filepath.Join(repository, "docs", "formats", "log-events.md")
	doc := readTable(t, path, header)
	found := readSources(t)
	report(t, found.logProblems)
	want := make(map[string][]string)
	for name, e := range found.events {
		when := unsaid
		old := doc.rows[code(name)]
		if len(old) == 3 {
			when = old[1]
		}
		levels := strings.Join(slices.Sorted(maps.Keys(e.levels)), ", ")
		attributes := code(slices.Sorted(maps.Keys(e.attributes))...)
		if !e.emitted && len(old) != 3 {
			continue // a name that nobody logs yet
		}
		if !e.emitted { // logged in a form that this test cannot read: the document counts
			levels, attributes = old[0], old[2]
		}
		want[code(name)] = []string{levels, when, attributes}
	}
	if *update {
		doc.rows = want
		doc.write(t, path, header)
		return
	}
	compare(t, path, doc.rows, want)
	for name, row := range doc.rows {
		if len(row) == 3 && (row[1] == unsaid || row[1] == "") {
			t.Errorf("%s does not say when %s is logged", path, name)
		}
	}
}

func report(t *testing.T, problems []string) {
	t.Helper()
	for _, problem := range problems {
		t.Error(problem)
	}
}

func compare(t *testing.T, path string, got, want map[string][]string) {
	t.Helper()
	const remedy = "run: go test ./internal/observe -run Documented -update"
	if len(want) < 5 {
		t.Fatalf("only %d found in the sources: the test no longer reads them", len(want))
	}
	for name, row := range want {
		if documented, found := got[name]; !found {
			t.Errorf("%s lacks %s; %s", path, name, remedy)
		} else if !slices.Equal(documented, row) {
			t.Errorf("%s: %s is %q, the sources say %q; %s", path, name, documented, row, remedy)
		}
	}
	for name := range got {
		if _, found := want[name]; !found {
			t.Errorf("%s: %s is not in the sources; %s", path, name, remedy)
		}
	}
}
