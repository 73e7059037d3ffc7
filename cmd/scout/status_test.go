package main

import (
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// The status has a line for each model that is loaded or ill, in the order in which the daemon tells them.
func TestStatusListsTheEngines(t *testing.T) {
	t.Parallel()
	unloaded := v1.EngineStatus{State: v1.EngineUnloaded, Model: "c"}
	for situation, c := range map[string]struct {
		engines []v1.EngineStatus
		want    string
	}{
		"none was used":          {nil, "engine|unloaded"},
		"one that is unloaded":   {[]v1.EngineStatus{unloaded}, "engine|unloaded, c"},
		"one that is loaded":     {[]v1.EngineStatus{{State: "loaded", Model: "a"}, unloaded}, "engine|loaded, a"},
		"one of two that is ill": {[]v1.EngineStatus{{State: "failed", Model: "b", Reason: "no memory"}, unloaded, {State: "loaded", Model: "a"}}, "engine|failed, b: no memory\nengine|loaded, a"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			status := v1.Status{Engine: v1.EngineStatus{State: v1.EngineUnloaded}, Engines: c.engines}
			if len(c.engines) > 0 {
				status.Engine = c.engines[0]
			}
			var got []string
			for _, row := range statusRows(&status) {
				if row[0] == "engine" {
					got = append(got, strings.Join(row, "|"))
				}
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
