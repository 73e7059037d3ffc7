package engine_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
)

// What an engine decodes again by itself is counted by reason, and told in the span of the request.
func TestSecondDecodesAreCounted(t *testing.T) {
	t.Parallel()
	registry, recorder := prom.NewRegistry(), tracetest.NewSpanRecorder()
	scope := observe.NewScope(nil, registry, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test"))
	e := engine.New(scope, engine.Options{Program: os.Args[0], Model: engine.Model{ID: "faulty"}, Slots: 1, LoadTimeout: 20 * time.Second, RequestBase: 20 * time.Second})
	t.Cleanup(e.Close)
	told := map[float32][]string{works: nil, hesitates: {"repeats", "length"}}
	for fault, want := range told {
		if _, err := e.Transcribe(t.Context(), request(fault)); err != nil {
			t.Fatal(err)
		}
		ended := recorder.Ended()
		attributes := attribute.NewSet(ended[len(ended)-1].Attributes()...)
		got, found := attributes.Value("second_decodes")
		if found != (want != nil) || !slices.Equal(got.AsStringSlice(), want) {
			t.Errorf("%v: the span says %v", fault, got)
		}
	}
	const want = `# HELP scout_engine_second_decodes_total What the engine heard or decoded again within a request, by the reason: length, repeats, doubtful, language (heard with more silence to be sure of it), or silence (nobody speaks, said the model, and was not certain).
# TYPE scout_engine_second_decodes_total counter
scout_engine_second_decodes_total{reason="doubtful"} 0
scout_engine_second_decodes_total{reason="language"} 0
scout_engine_second_decodes_total{reason="length"} 1
scout_engine_second_decodes_total{reason="repeats"} 1
scout_engine_second_decodes_total{reason="silence"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "scout_engine_second_decodes_total"); err != nil {
		t.Error(err)
	}
}
