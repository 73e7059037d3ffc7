package metric_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/scout-speech/scout/internal/observe/metric"
)

func TestRegistration(t *testing.T) {
	t.Parallel()
	loads := metric.Opts{Name: "scout_loads_total", Help: "Loads."}
	first := metric.NewCounterVec(loads, []string{"model"})
	for name, test := range map[string]struct {
		collector metric.Collector
		same      bool // the first one is used in its place
		refused   bool
	}{
		"the same again":               {collector: metric.NewCounterVec(loads, []string{"model"}), same: true},
		"another name":                 {collector: metric.NewCounter(metric.Opts{Name: "scout_other_total", Help: "Other."})},
		"other labels":                 {collector: metric.NewCounterVec(loads, []string{"kind"}), refused: true},
		"no labels":                    {collector: metric.NewCounter(loads), refused: true},
		"another kind":                 {collector: metric.NewGaugeVec(loads, []string{"model"}), refused: true},
		"another help":                 {collector: metric.NewCounterVec(metric.Opts{Name: loads.Name, Help: "Other."}, []string{"model"}), refused: true},
		"no name":                      {collector: metric.NewCounter(metric.Opts{Help: "Loads."}), refused: true},
		"a name with a space":          {collector: metric.NewCounter(metric.Opts{Name: "scout loads"}), refused: true},
		"a name that begins with 4":    {collector: metric.NewCounter(metric.Opts{Name: "4_total"}), refused: true},
		"a label with a dash":          {collector: metric.NewCounterVec(metric.Opts{Name: "scout_x_total"}, []string{"a-b"}), refused: true},
		"a label twice":                {collector: metric.NewCounterVec(metric.Opts{Name: "scout_x_total"}, []string{"a", "a"}), refused: true},
		"a label of Prometheus' own":   {collector: metric.NewCounterVec(metric.Opts{Name: "scout_x_total"}, []string{"__a"}), refused: true},
		"a histogram's label le":       {collector: metric.NewHistogramVec(metric.HistogramOpts{Name: "scout_x_seconds"}, []string{"le"}), refused: true},
		"buckets that do not grow":     {collector: metric.NewHistogram(metric.HistogramOpts{Name: "scout_x_seconds", Buckets: []float64{1, 1}}), refused: true},
		"a bucket that is not a bound": {collector: metric.NewHistogram(metric.HistogramOpts{Name: "scout_x_seconds", Buckets: []float64{1, math.Inf(1)}}), refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := metric.NewRegistry()
			if _, err := r.Register(first); err != nil {
				t.Fatal(err)
			}
			got, err := r.Register(test.collector)
			want := test.collector
			if test.same {
				want = first
			}
			if test.refused != (err != nil) || err == nil && got != want {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// What the recorder sends arrives as it was, numbers that JSON does not know included.
func TestFamiliesTravel(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]float64{
		"zero": 0, "a half": 0.5, "small": 5e-324, "large": math.MaxFloat64, "negative": -3, "infinite": math.Inf(1), "negative infinite": math.Inf(-1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := metric.NewRegistry()
			level := metric.NewGaugeVec(metric.Opts{Name: "scout_level", Help: "Level."}, []string{"of"})
			times := metric.NewHistogram(metric.HistogramOpts{Name: "scout_times_seconds", Help: "Times.", Buckets: []float64{0.1, 1}})
			for _, c := range []metric.Collector{times, level} {
				if _, err := r.Register(c); err != nil {
					t.Fatal(err)
				}
			}
			level.WithLabelValues("one").Set(value)
			times.Observe(value)
			sent := r.Families()
			data, err := json.Marshal(sent)
			var got []metric.Family
			if err != nil || json.Unmarshal(data, &got) != nil || !reflect.DeepEqual(got, sent) {
				t.Errorf("%v: sent %+v as %s, got %+v", err, sent, data, got)
			}
		})
	}
	data, err := json.Marshal(metric.Number(math.NaN()))
	var n metric.Number
	if err != nil || json.Unmarshal(data, &n) != nil || !math.IsNaN(float64(n)) {
		t.Errorf("NaN became %s and %v: %v", data, n, err)
	}
	if json.Unmarshal([]byte(`"many"`), &n) == nil {
		t.Error("a word was taken for a number")
	}
}

func TestAFamilyWithoutAMetricIsLeftOut(t *testing.T) {
	t.Parallel()
	r := metric.NewRegistry()
	if _, err := r.Register(metric.NewCounterVec(metric.Opts{Name: "scout_x_total"}, []string{"a"})); err != nil || len(r.Families()) != 0 {
		t.Errorf("%+v, %v", r.Families(), err)
	}
}

// The rhythm of recording counts in every block of the device.
func TestCountingAllocatesNothing(t *testing.T) {
	c, g, v := metric.NewCounter(metric.Opts{Name: "c"}), metric.NewGauge(metric.Opts{Name: "g"}), metric.NewHistogram(metric.HistogramOpts{Name: "h", Buckets: []float64{1, 2}})
	if n := testing.AllocsPerRun(100, func() { c.Add(2); g.Set(1); v.Observe(1.5) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if c.Add(-1); c.Value() < 200 {
		t.Errorf("a counter fell to %v", c.Value())
	}
}
