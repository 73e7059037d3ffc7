package observe_test

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

func TestTracingThatIsOffCostsNothing(t *testing.T) { // not parallel: AllocsPerRun forbids it
	tracer, ctx, errOdd := observe.Scope{}.Tracer(), t.Context(), errors.New("odd")
	if got := testing.AllocsPerRun(1000, func() {
		inner, outerSpan := tracer.Start(ctx, "transcribe")
		_, span := tracer.Start(inner, "decode")
		observe.EndSpan(span, errOdd)
		observe.EndSpan(outerSpan, nil)
	}); got != 0 {
		t.Errorf("%v allocations for two spans", got)
	}
}

func TestEndSpan(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err        error
		wantStatus codes.Code
		wantCode   string
	}{
		"success":             {nil, codes.Unset, ""},
		"failure":             {scout.Errorf(scout.CodeEngineCrashed, "ended"), codes.Error, "engine_crashed"},
		"a failure uncoded":   {errors.New("odd"), codes.Error, "internal"},
		"cancelled: no error": {context.Canceled, codes.Unset, "cancelled"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorder := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
			_, span := provider.Tracer("test").Start(t.Context(), "decode")
			observe.EndSpan(span, test.err)
			ended := recorder.Ended()
			if len(ended) != 1 {
				t.Fatalf("%d spans ended", len(ended))
			}
			attributes := attribute.NewSet(ended[0].Attributes()...)
			code, _ := attributes.Value("scout.code")
			if ended[0].Status().Code != test.wantStatus || code.AsString() != test.wantCode {
				t.Errorf("status %v, code %q", ended[0].Status(), code.AsString())
			}
		})
	}
}

func TestTraceparentGoesThroughAnotherProcess(t *testing.T) {
	t.Parallel()
	const name = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got := observe.Traceparent(observe.WithTraceparent(t.Context(), name)); got != name {
		t.Errorf("%q came out as %q", name, got)
	}
	for _, odd := range []string{"", "x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "01" + name[2:]} {
		if got := observe.Traceparent(observe.WithTraceparent(t.Context(), odd)); got != "" {
			t.Errorf("%q came out as %q", odd, got)
		}
	}
}
