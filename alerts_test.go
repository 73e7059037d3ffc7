package scout_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rulesFile has the rules for alerts; promtool runs its tests (make acceptance).
const rulesFile = "packaging/prometheus/scout.rules.yml"

// TestAlertsAndTheirRunbook compares the rules for alerts with the runbook, with the metrics that exist, and with their tests.
func TestAlertsAndTheirRunbook(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	all := func(pattern, text string) (found []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, match[1])
		}
		return found
	}
	rules, tests, metrics := read(rulesFile), read(strings.TrimSuffix(rulesFile, ".yml")+"_test.yml"), read("docs/formats/metrics.md")
	alerts := all(`(?m)^ *- alert: (\w+)$`, rules)
	if len(alerts) < 20 {
		t.Fatalf("only %d alerts were found: the test no longer reads them", len(alerts))
	}
	explained := all(`(?m)^### (Scout\w+)$`, runbook(t))
	if !slices.Equal(alerts, explained) {
		t.Errorf("docs/RUNBOOK.md explains %v,\nthe alerts are %v", explained, alerts)
	}
	var anchors []string
	for _, alert := range alerts {
		anchors = append(anchors, strings.ToLower(alert))
		if fires := regexp.MustCompile(`alertname: ` + alert + `\n +exp_alerts:\n`); !fires.MatchString(tests) {
			t.Errorf("no test has %s fire", alert)
		}
		if !strings.Contains(tests, "alertname: "+alert+", exp_alerts: []}") {
			t.Errorf("no test has %s be silent", alert)
		}
	}
	if led := all(`runbook: docs/RUNBOOK\.md#(\w+)`, rules); !slices.Equal(led, anchors) {
		t.Errorf("the alerts lead to %v", led)
	}
	for _, name := range all(`\b(scout_[a-z_]+)\b`, rules) {
		base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
		if !strings.Contains(metrics, "| `"+base+"` |") {
			t.Errorf("the alerts use %s, which Scout does not have", name)
		}
	}
}
