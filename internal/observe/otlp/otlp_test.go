package otlp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/observe/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Without an endpoint there is still a tracer, and it costs nothing.
func TestTracingThatIsOffCostsNothing(t *testing.T) { // not parallel: AllocsPerRun forbids it
	tracer, shutdown, err := otlp.Open(t.Context(), observe.Scope{}, "", "test")
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	ctx := t.Context()
	if got := testing.AllocsPerRun(1000, func() {
		_, span := tracer.Start(ctx, "transcribe")
		observe.EndSpan(span, nil)
	}); got != 0 {
		t.Errorf("%v allocations for a span", got)
	}
	if err := shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestTracesReachAnOTLPEndpoint(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"the receiver alone": "", "with a slash": "/", "the whole URL": "/v1/traces"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			received := make(chan *collector.ExportTraceServiceRequest, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				request := new(collector.ExportTraceServiceRequest)
				if err == nil {
					err = proto.Unmarshal(body, request)
				}
				if err != nil || r.URL.Path != "/v1/traces" || r.Method != http.MethodPost {
					t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
				}
				received <- request
			}))
			defer server.Close()

			tracer, shutdown, err := otlp.Open(t.Context(), observe.Scope{}, server.URL+suffix, "1.2.3")
			if err != nil {
				t.Fatalf("open: %v", err)
			}
			ctx, outer := observe.NewScope(nil, nil, tracer).Tracer().Start(t.Context(), "transcribe")
			_, inner := tracer.Start(ctx, "decode")
			observe.EndSpan(inner, scout.Errorf(scout.CodeEngineCrashed, "engine ended"))
			observe.EndSpan(outer, nil)
			if err := shutdown(t.Context()); err != nil {
				t.Fatalf("shutdown: %v", err)
			}

			resource := (<-received).GetResourceSpans()[0]
			var facts []string
			for _, fact := range resource.GetResource().GetAttributes() {
				facts = append(facts, fact.GetKey()+"="+fact.GetValue().GetStringValue())
			}
			if got := strings.Join(facts, " "); got != "service.name=scout service.version=1.2.3" {
				t.Errorf("resource %s", got)
			}
			spans := make(map[string]*wire.Span)
			for _, span := range resource.GetScopeSpans()[0].GetSpans() {
				spans[span.GetName()] = span
			}
			if decode := spans["decode"]; decode.GetStatus().GetCode() != wire.Status_STATUS_CODE_ERROR ||
				!bytes.Equal(decode.GetParentSpanId(), spans["transcribe"].GetSpanId()) {
				t.Errorf("spans %v", spans)
			}
		})
	}
}

func TestTraceEndpointThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"localhost:4318", "collector", "ftp://localhost", "http://", "http://bad host:4318", "://"} {
		tracer, _, err := otlp.Open(t.Context(), observe.Scope{}, endpoint, "test")
		if scout.CodeOf(err) != scout.CodeConfigInvalid || tracer != nil {
			t.Errorf("%q: %v, want the code %s", endpoint, err, scout.CodeConfigInvalid)
		}
	}
}

func TestTraceReceiverThatRefuses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "who are you", http.StatusUnauthorized)
	}))
	defer server.Close()
	var lines bytes.Buffer
	log := observe.NewLogger(&lines, observe.LogJSON, slog.LevelInfo)
	registry := metric.NewRegistry()
	tracer, shutdown, err := otlp.Open(t.Context(), observe.NewScope(log, registry, nil), server.URL, "test")
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	_, span := tracer.Start(t.Context(), "decode")
	span.End()
	if err := shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v, want the refusal only in the log", err)
	}
	if !strings.Contains(lines.String(), `"msg":"trace_export_failed","spans":1,`) || strings.Count(lines.String(), "\n") != 1 {
		t.Errorf("logged %q", lines.String())
	}
	if lost := registry.Families(); len(lost) != 1 || lost[0].Name != "scout_trace_spans_lost_total" || lost[0].Samples[0].Value != 1 {
		t.Errorf("metrics %+v", lost)
	}
}

func TestTraceShutdownKeepsItsTime(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	tracer, shutdown, err := otlp.Open(t.Context(), observe.Scope{}, server.URL, "test")
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	_, span := tracer.Start(t.Context(), "decode")
	span.End()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("shutdown: %v, want its context's end", err)
	}
}
