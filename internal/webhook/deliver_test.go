package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/storetest"
	"github.com/scout-speech/scout/internal/testrun"
	"github.com/scout-speech/scout/internal/webhook"
)

func TestAnEventIsDeliveredOnceAndSigned(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(status(http.StatusNoContent))
	hook := b.add(r.URL + "/hooks/scout?token=sesame")
	b.run()
	b.happens("job_1")
	got := <-r.got
	d := b.until(hook, 1, in(store.DeliveryDelivered))
	if id := got.signed(t, hook.Secret); id != d.Message {
		t.Errorf("message %s, want %s", id, d.Message)
	}
	if got.path != "/hooks/scout?token=sesame" || got.header.Get("Content-Type") != "application/json" || got.header.Get("User-Agent") != "Scout/1.2.3" {
		t.Errorf("%+v", got)
	}
	if want := `{"type":"job.succeeded","timestamp":"2026-11-28T22:00:00.000Z","data":{"id":"job_1","version":1}}`; got.body != want {
		t.Errorf("%s, want %s", got.body, want)
	}
	if d.Attempts != 1 || d.Status != 204 || d.Error != nil || !d.EndedAt.Equal(someday) {
		t.Errorf("%+v", d)
	}
	b.happens("job_2")
	if m := <-r.got; m.said(t).Data["id"] != "job_2" || m.signed(t, hook.Secret) == d.Message {
		t.Errorf("the next message is %+v", m)
	}
	b.until(hook, 2, in(store.DeliveryDelivered))
	if log := b.logged(); !strings.Contains(log, "webhook_delivered") || strings.Contains(log, "sesame") || strings.Contains(log, webhook.FormatSecret(hook.Secret)) {
		t.Errorf("log:\n%s", log)
	}
}

func TestADeliveryIsTriedForADay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(status(http.StatusInternalServerError))
	hook := b.add(r.URL)
	b.run()
	b.happens("job_1")
	first := <-r.got
	id := first.signed(t, hook.Secret)
	for i, pause := range []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
		d := b.until(hook, 1, tried(i+1))
		if least, most := pause*9/10, pause*11/10; d.State != store.DeliveryWaiting || d.NextAt.Sub(b.clock.Now()) < least || d.NextAt.Sub(b.clock.Now()) > most {
			t.Fatalf("after attempt %d: %+v, want a pause from %s to %s", i+1, d, least, most)
		}
		if d.Status != 500 || d.Error == nil || d.Error.Code != scout.CodeWebhookFailed {
			t.Errorf("after attempt %d: %+v", i+1, d)
		}
		b.at(d.NextAt, hook, 1)
		again := <-r.got
		if got := again.signed(t, hook.Secret); got != id || again.body != first.body {
			t.Errorf("attempt %d is message %s with %s, want %s with %s", i+2, got, again.body, id, first.body)
		}
	}
	d := b.until(hook, 1, in(store.DeliveryDead))
	if d.Attempts != 7 || d.EndedAt.IsZero() {
		t.Errorf("%+v", d)
	}
	if check := b.hooks.Check().Probe(t.Context()); check.Status == health.Healthy {
		t.Errorf("after a delivery was given up: %+v", check)
	}
	r.answers(status(http.StatusOK))
	if d, err := b.hooks.Redeliver(t.Context(), hook.ID, 1); err != nil || d.State != store.DeliveryWaiting || d.Attempts != 0 {
		t.Fatalf("%+v %v", d, err)
	}
	last := <-r.got
	if got := last.signed(t, hook.Secret); got != id {
		t.Errorf("sent again it is message %s, want %s", got, id)
	}
	b.until(hook, 1, in(store.DeliveryDelivered))
}

// What a host that rests is owed does not outlive its time by more than days, however much of it there is.
func TestADeliveryIsNotTriedForEver(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(status(http.StatusInternalServerError))
	hook := b.add(r.URL)
	b.happens("job_1")
	b.clock.Set(someday.Add(72 * time.Hour))
	b.run()
	if d := b.until(hook, 1, tried(1)); d.State != store.DeliveryDead || d.Attempts != 1 {
		t.Errorf("%+v", d)
	}
}

// A host that hangs keeps nothing from the others.
func TestAHostThatHangsDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	hanging := b.receiver(func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() })
	well := b.receiver(status(http.StatusOK))
	ill := b.add(hanging.URL)
	hook := b.add(well.URL)
	stop := b.run()
	for range 40 {
		b.happens("job_1")
	}
	for n := range int64(40) {
		b.until(hook, n+1, in(store.DeliveryDelivered))
	}
	if d := b.delivery(ill, 1); d.State != store.DeliveryWaiting || d.Attempts != 0 {
		t.Errorf("%+v", d)
	}
	if n := len(hanging.got); n > 2 {
		t.Errorf("%d attempts at once to one host", n)
	}
	stop() // it interrupts what hangs
	if d := b.delivery(ill, 1); d.State != store.DeliveryWaiting || d.Attempts != 0 {
		t.Errorf("an attempt that the end of the process interrupted counts: %+v", d)
	}
}

// Clients choose where the webhooks of their jobs lead: however many of those hosts hang, the owner's webhooks have room.
func TestHostsOfJobsThatHangLeaveRoomForTheOwner(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	hang := func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() }
	secret := webhook.FormatSecret(webhook.NewSecret())
	all := make([]*receiver, 10)
	for i := range all {
		all[i] = b.receiver(hang)
		asked := webhook.OfJob{URL: all[i].URL, Secret: secret}
		b.update(func(tx store.Tx) error {
			return errors.Join(asked.Attach(tx, &store.Job{ID: fmt.Sprint("job_", i), State: store.JobQueued}), asked.Attach(tx, &store.Job{ID: fmt.Sprint("job_too_", i), State: store.JobQueued}))
		})
		b.happens(fmt.Sprint("job_", i))
		b.happens(fmt.Sprint("job_too_", i))
	}
	b.run()
	attempts := func() (n int) {
		for _, r := range all {
			n += len(r.got)
		}
		return n
	}
	for attempts() < 12 {
		time.Sleep(time.Millisecond) // nothing announces it
	}
	well := b.receiver(status(http.StatusOK))
	hook := b.add(well.URL)
	b.happens("job_1")
	b.until(hook, 1, in(store.DeliveryDelivered))
	if n := attempts(); n != 12 {
		t.Errorf("%d attempts at the same time to hosts of jobs", n)
	}
}

// A delivery that was being sent when the process ended is sent by the next one, as the same message.
func TestTheNextProcessDeliversWhatIsOwed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() })
	hook := b.add(r.URL)
	stop := b.run()
	b.happens("job_1")
	first := <-r.got
	stop()
	r.answers(status(http.StatusOK))
	b.again()
	b.run()
	again := <-r.got
	if first.signed(t, hook.Secret) != again.signed(t, hook.Secret) {
		t.Error("it is another message")
	}
	b.until(hook, 1, in(store.DeliveryDelivered))
}

func TestAHostThatFailsIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *webhook.Options) { o.Rest = time.Hour })
	r := b.receiver(status(http.StatusBadGateway))
	hook := b.add(r.URL)
	other := b.add(r.URL+"/other", store.EventJobDead) // of the same host
	b.run()
	for range 10 {
		b.happens("job_1")
	}
	failures := 0
	for range 3 { // as many as open the breaker; a second one may be under way when it opens
		<-r.got
		failures++
	}
	for check := b.hooks.Check().Probe(t.Context()); check.Status != health.Unhealthy || !strings.Contains(check.Reason, "breaker open for 127.0.0.1:"); check = b.hooks.Check().Probe(t.Context()) {
		time.Sleep(time.Millisecond) // nothing announces it
	}
	b.update(func(tx store.Tx) error {
		_, err := tx.Append(store.EventStream, store.NewEvent{Type: store.EventJobDead, Data: []byte("{}")})
		return err
	})
	waiting := 0
	for n := range int64(10) {
		if d := b.delivery(hook, n+1); d.State == store.DeliveryWaiting && d.Attempts == 0 {
			waiting++
		}
	}
	if waiting < 6 || len(r.got) > 1 {
		t.Errorf("%d of 10 wait, and %d attempts more than needed", waiting, len(r.got))
	}
	if d := b.delivery(other, 1); d.Attempts != 0 {
		t.Errorf("the other webhook of the host: %+v", d)
	}
}

func TestAHostIsTriedAgainAfterItsRest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(status(http.StatusBadGateway))
	hook := b.add(r.URL)
	b.run()
	for range 10 {
		b.happens("job_1")
	}
	for range 4 {
		<-r.got
	}
	r.answers(status(http.StatusOK))
	b.clock.Set(someday.Add(time.Hour))
	b.happens("job_1")
	for n := range int64(11) {
		b.until(hook, n+1, func(d store.Delivery) bool {
			if d.NextAt.After(b.clock.Now()) { // it had failed when the clock was set
				b.at(d.NextAt, hook, n+1)
			}
			return d.State == store.DeliveryDelivered
		})
	}
	if check := b.hooks.Check().Probe(t.Context()); check.Status != health.Healthy {
		t.Errorf("%+v", check)
	}
}

// The URL of a client leads nowhere within the network of this machine, whatever its name means: the address counts that is connected to.
func TestTheURLOfAClientLeadsOutOnly(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(o *webhook.Options) { o.Within = 2 * time.Second })
	r := b.receiver(status(http.StatusOK))
	_, port, _ := strings.Cut(r.Listener.Addr().String(), ":")
	var hooks []store.Webhook
	for i, url := range []string{"http://localhost:" + port + "/?token=sesame", "http://127.1:" + port, "http://2130706433:" + port, "http://0x7f.1:" + port} {
		id := "job_" + string(rune('a'+i))
		asked := webhook.OfJob{URL: url, Secret: webhook.FormatSecret(webhook.NewSecret()), Guarded: true}
		if err := asked.Check(); err != nil {
			t.Fatal(err)
		}
		b.update(func(tx store.Tx) error { return asked.Attach(tx, &store.Job{ID: id, State: store.JobQueued}) })
		b.happens(id)
	}
	due, err := b.store.DeliveryAgenda(t.Context(), someday.AddDate(1, 0, 0))
	if err != nil || len(due) != 4 {
		t.Fatalf("%+v %v", due, err)
	}
	for _, host := range due {
		list, err := b.store.DueDeliveries(t.Context(), host.Host, someday, someday.AddDate(1, 0, 0), 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v %v", list, err)
		}
		hooks = append(hooks, list[0].Hook)
	}
	b.run()
	for _, hook := range hooks {
		d := b.until(hook, 1, tried(1))
		if d.Error == nil || d.Status != 0 {
			t.Errorf("%s: %+v", hook.URL, d)
		}
		if strings.Contains(hook.URL, "localhost") && (d.State != store.DeliveryDead || strings.Contains(d.Error.Message, "127.")) {
			t.Errorf("%s is tried again, or its address is told: %+v", hook.URL, d)
		}
	}
	if len(r.got) > 0 {
		t.Errorf("the receiver got %+v", <-r.got)
	}
	if check := b.hooks.Check().Probe(t.Context()); check.Status != health.Healthy {
		t.Errorf("what clients ask for makes Scout ill: %+v", check)
	}
	if strings.Contains(b.logged(), "sesame") {
		t.Errorf("the log has the URL:\n%s", b.logged())
	}
}

// A text goes along where that was asked for, as it was when the event happened.
func TestTheTextGoesAlongWhereItWasAskedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(status(http.StatusOK))
	with, err := b.hooks.Add(t.Context(), r.URL+"/with", []string{store.EventJobSucceeded, store.EventTranscriptRevised}, true, true)
	if err != nil {
		t.Fatal(err)
	}
	without := b.add(r.URL+"/without", store.EventJobSucceeded, store.EventTranscriptRevised)
	key := store.MainKey(storetest.ID(1))
	b.update(func(tx store.Tx) error {
		if _, err := tx.PutRecording(storetest.Recording(1)); err != nil {
			return err
		}
		_, err := tx.PutTranscript(store.Put{Key: key, Kind: store.KindFirst, Transcript: storetest.Text("Good morning, Zoë.", "東京")})
		return err
	})
	b.happens("job_1")
	b.update(func(tx store.Tx) error {
		_, err := tx.PutTranscript(store.Put{Key: key, Kind: store.KindSecondPass, Transcript: storetest.Text("Good evening.")})
		return err
	})
	b.run()
	texts := make(map[string]any)
	for range 4 {
		m := <-r.got
		what := m.said(t)
		texts[m.path+" "+what.Type] = what.Data["text"]
	}
	want := map[string]any{
		"/with job.succeeded": "Good morning, Zoë. 東京", "/with transcript.revised": "Good evening.", "/without job.succeeded": nil, "/without transcript.revised": nil,
	}
	for name, text := range want {
		if got := texts[name]; got != text {
			t.Errorf("%s: %q, want %q", name, got, text)
		}
	}
	b.until(without, 2, in(store.DeliveryDelivered))
	b.until(with, 2, in(store.DeliveryDelivered))
	if err := b.store.PurgeTexts(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	b.happens("job_1")
	for range 2 {
		if m := <-r.got; m.said(t).Data["text"] != nil || m.said(t).Data["id"] != "job_1" {
			t.Errorf("after a purge: %s", m.body)
		}
	}
	b.until(with, 3, in(store.DeliveryDelivered))
	b.until(without, 3, in(store.DeliveryDelivered))
}

// What waits goes to the address that the webhook has now, and nowhere once it is disabled or deleted.
func TestWhatWaitsFollowsItsWebhook(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.receiver(status(http.StatusOK))
	hook := b.add("http://" + testrun.ReservePort(b))
	stop := b.run()
	b.happens("job_1")
	b.until(hook, 1, tried(1))
	stop()
	if _, err := b.hooks.Change(t.Context(), hook.ID, webhook.Change{URL: &r.URL}); err != nil {
		t.Fatal(err)
	}
	b.clock.Set(someday.Add(time.Minute))
	b.again()
	b.run()
	<-r.got
	b.until(hook, 1, in(store.DeliveryDelivered))
	disabled := false
	b.update(func(tx store.Tx) error {
		if _, err := tx.Append(store.EventStream, store.NewEvent{Type: store.EventJobSucceeded, Data: []byte("{}")}); err != nil {
			return err
		}
		d, err := tx.Delivery(hook.ID, 2)
		if err != nil {
			return err
		}
		d.NextAt = d.NextAt.Add(time.Hour)
		return tx.PutDelivery(&d)
	})
	if _, err := b.hooks.Change(t.Context(), hook.ID, webhook.Change{Enabled: &disabled}); err != nil {
		t.Fatal(err)
	}
	if d := b.delivery(hook, 2); d.State != store.DeliveryDead {
		t.Errorf("%+v", d)
	}
	if err := b.hooks.Delete(t.Context(), hook.ID); err != nil {
		t.Fatal(err)
	}
	if err := b.hooks.Delete(t.Context(), hook.ID); scout.CodeOf(err) != scout.CodeNotFound {
		t.Errorf("%v", err)
	}
}

// Begin keeps a daemon that was started on demand while something is to be sent soon.
func TestTheDaemonStaysForWhatIsToBeSentSoon(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}, 100), make(chan struct{}, 100)
	b := newBench(t, func(o *webhook.Options) {
		o.Begin = func() func() {
			begun <- struct{}{}
			return func() { ended <- struct{}{} }
		}
	})
	r := b.receiver(status(http.StatusServiceUnavailable))
	hook := b.add(r.URL)
	b.run()
	b.happens("job_1")
	<-begun
	for range 3 {
		<-r.got
		d := b.until(hook, 1, func(d store.Delivery) bool { return d.NextAt.After(b.clock.Now()) })
		b.at(d.NextAt, hook, 1)
	}
	<-r.got
	<-ended // the next attempt is an hour away
	if d := b.delivery(hook, 1); d.State != store.DeliveryWaiting || d.Attempts != 4 {
		t.Errorf("%+v", d)
	}
}
