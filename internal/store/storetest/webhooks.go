package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
)

// hook is a webhook that is told of the ends of jobs.
func hook(id string) store.Webhook {
	return store.Webhook{
		ID: id, URL: "https://" + id + ".example/", Host: id + ".example:443", Events: []string{store.EventJobDead, store.EventJobSucceeded}, IncludeText: true, Enabled: true,
		Secret: store.Secret("secret of " + id),
	}
}

func (b *bench) hook(w store.Webhook) (kept store.Webhook) {
	b.Helper()
	b.update(func(tx store.Tx) (err error) { kept, err = tx.PutWebhook(w); return err })
	return kept
}

// happens appends an event about a job.
func (b *bench) happens(kind, job string) {
	b.Helper()
	b.update(func(tx store.Tx) error {
		_, err := tx.Append(store.EventStream, store.NewEvent{Type: kind, Recording: ID(1), Job: job, Data: fmt.Appendf(nil, `{"id":%q}`, job)})
		return err
	})
}

// later is after everything that waits.
func (b *bench) later() time.Time { return b.clock.Now().AddDate(10, 0, 0) }

// toSend are the deliveries to a host that may be sent.
func (b *bench) toSend(host string) []store.DueDelivery {
	b.Helper()
	list, err := b.DueDeliveries(b.Context(), host, b.clock.Now(), b.later(), 100)
	if err != nil {
		b.Fatal(err)
	}
	return list
}

func (b *bench) agenda() []store.HostAgenda {
	b.Helper()
	list, err := b.DeliveryAgenda(b.Context(), b.later())
	if err != nil {
		b.Fatal(err)
	}
	return list
}

// settled changes a delivery.
func (b *bench) settled(webhook string, n int64, change func(d *store.Delivery)) {
	b.Helper()
	b.update(func(tx store.Tx) error {
		d, err := tx.Delivery(webhook, n)
		if err != nil {
			return err
		}
		change(&d)
		return tx.PutDelivery(&d)
	})
}

func (b *bench) deliveries(webhook string) []store.Delivery {
	b.Helper()
	list, err := b.Deliveries(b.Context(), webhook, store.Page{Limit: 200})
	if err != nil {
		b.Fatal(err)
	}
	return list.Data
}

func webhooks() map[string]func(*bench) {
	return map[string]func(*bench){
		"webhooks are kept as they were, oldest first": func(b *bench) {
			first := b.hook(hook("b"))
			second := b.hook(hook("a"))
			ofJob := hook("c")
			ofJob.Job = "job_1"
			third := b.hook(ofJob)
			list, err := b.Webhooks(b.Context(), "")
			if err != nil || !reflect.DeepEqual(list, []store.Webhook{first, second}) || !first.CreatedAt.Equal(epoch()) {
				b.Errorf("%+v %v", list, err)
			}
			if got, err := b.Webhook(b.Context(), "a"); err != nil || !reflect.DeepEqual(got, second) || string(got.Secret) != "secret of a" {
				b.Errorf("%+v %v", got, err)
			}
			for job, want := range map[string][]store.Webhook{"job_1": {third}, "job_2": nil} {
				if list, err := b.Webhooks(b.Context(), job); err != nil || !reflect.DeepEqual(list, want) {
					b.Errorf("%s has %+v %v", job, list, err)
				}
			}
			if got, err := b.Webhook(b.Context(), "c"); err != nil || !reflect.DeepEqual(got, third) {
				b.Errorf("%+v %v", got, err)
			}
			if _, err := b.Webhook(b.Context(), "none"); scout.CodeOf(err) != scout.CodeNotFound {
				b.Error(err)
			}
			if said := fmt.Sprintf("%v %+v %#v %s", first, first, first, first.Secret); strings.Contains(said, "secret of") || strings.Contains(said, fmt.Sprintf("%d", []byte("secret of b"))) {
				b.Errorf("printed with the secret: %s", said)
			}
		},
		"a change leaves what is not to be changed": func(b *bench) {
			made := b.hook(hook("a"))
			changed := made
			changed.URL, changed.Host, changed.Events, changed.IncludeText, changed.Enabled, changed.Reason = "http://other.example:81/", "other.example:81", []string{store.EventHealthChanged}, false, false, "why"
			asked := changed
			asked.Secret, asked.Guarded, asked.Job, asked.CreatedAt = store.Secret("other"), true, "job_1", epoch().AddDate(1, 0, 0)
			if got := b.hook(asked); !reflect.DeepEqual(got, changed) {
				b.Errorf("returned %+v, want %+v", got, changed)
			}
			if got, err := b.Webhook(b.Context(), "a"); err != nil || !reflect.DeepEqual(got, changed) {
				b.Errorf("kept %+v, want %+v (%v)", got, changed, err)
			}
		},
		"a webhook has an address, a secret and events that there are": func(b *bench) {
			for _, wrong := range []func(*store.Webhook){
				func(w *store.Webhook) { w.ID = "" }, func(w *store.Webhook) { w.URL = "" }, func(w *store.Webhook) { w.Host = "" }, func(w *store.Webhook) { w.Secret = nil },
				func(w *store.Webhook) { w.Events = nil }, func(w *store.Webhook) { w.Events = []string{store.EventJobProgress} },
			} {
				w := hook("a")
				wrong(&w)
				b.fails(scout.CodeInvalidArgument, func(tx store.Tx) error { _, err := tx.PutWebhook(w); return err })
			}
		},
		"the number of webhooks is bounded, for the owner and for each job": func(b *bench) {
			b.update(func(tx store.Tx) error {
				for i := range store.MostWebhooks {
					if _, err := tx.PutWebhook(hook(fmt.Sprint("w", i))); err != nil {
						return err
					}
				}
				for i := range 2 * store.MostJobWebhooks {
					w := hook(fmt.Sprint("j", i))
					w.Job = fmt.Sprint("job_", i%2)
					if _, err := tx.PutWebhook(w); err != nil {
						return err
					}
				}
				return nil
			})
			b.fails(scout.CodeConflict, func(tx store.Tx) error { _, err := tx.PutWebhook(hook("more")); return err })
			more := hook("more")
			more.Job = "job_0"
			b.fails(scout.CodeConflict, func(tx store.Tx) error { _, err := tx.PutWebhook(more); return err })
			again := hook("more")
			again.Job, again.URL, again.Secret = "job_0", hook("j0").URL, store.Secret("another")
			if got := b.hook(again); got.ID != "j0" || string(got.Secret) != "another" {
				b.Errorf("the same URL again is %+v", got)
			}
		},
		"an event and its deliveries are one transaction": func(b *bench) {
			b.hook(hook("a"))
			other := hook("b")
			other.Events = []string{store.EventRecordingFinished}
			b.hook(other)
			off := hook("off")
			off.Enabled = false
			b.hook(off)
			rung, end := b.Listen(store.DeliveryStream)
			defer end()
			failure := errors.New("undone")
			err := b.Update(b.Context(), func(tx store.Tx) error {
				_, err := tx.Append(store.EventStream, store.NewEvent{Type: store.EventJobDead, Data: []byte("{}")})
				return errors.Join(err, failure)
			})
			if !errors.Is(err, failure) || len(b.agenda()) > 0 {
				b.Fatalf("%v, %+v", err, b.agenda())
			}
			b.happens(store.EventJobProgress, "job_1") // nobody is told of that
			select {
			case <-rung:
				b.Errorf("woken by an event of which nobody is told")
			default:
			}
			b.clock.Set(epoch().Add(time.Second))
			b.happens(store.EventJobSucceeded, "job_1")
			<-rung
			b.update(func(tx store.Tx) error { // an event of another stream is none of these
				_, err := tx.Append(store.LiveStream(ID(1)), store.NewEvent{Type: store.EventJobDead, Data: []byte("{}")})
				return err
			})
			b.put(2)
			got := b.toSend("a.example:443")
			if len(got) != 1 || got[0].Hook.ID != "a" || string(got[0].Hook.Secret) != "secret of a" {
				b.Fatalf("%+v", got)
			}
			d := got[0].Delivery
			if !strings.HasPrefix(d.Message, "msg_") {
				b.Errorf("message %q", d.Message)
			}
			at := epoch().Add(time.Second)
			want := store.Delivery{Webhook: "a", N: 1, Message: d.Message, Event: store.EventJobSucceeded, At: at, Recording: ID(1), Data: []byte(`{"id":"job_1"}`), State: store.DeliveryWaiting, Since: at, NextAt: at}
			if !reflect.DeepEqual(d, want) {
				b.Errorf("%+v, want %+v", d, want)
			}
			if list := b.deliveries("b"); len(list) != 1 || list[0].Event != store.EventRecordingFinished || list[0].Recording != ID(2) {
				b.Errorf("%+v", list)
			}
			if list := b.deliveries("off"); len(list) > 0 {
				b.Errorf("one that is disabled is told of %+v", list)
			}
		},
		"the webhook of a job is told of that job alone": func(b *bench) {
			w := hook("a")
			w.Job = "job_1"
			b.hook(w)
			b.happens(store.EventJobDead, "job_2")
			b.happens(store.EventJobDead, "")
			if list := b.toSend(w.Host); len(list) > 0 {
				b.Errorf("%+v", list)
			}
			b.happens(store.EventJobDead, "job_1")
			if list := b.toSend(w.Host); len(list) != 1 || string(list[0].Data) != `{"id":"job_1"}` {
				b.Errorf("%+v", list)
			}
			if agenda := b.agenda(); len(agenda) != 1 || agenda[0].Owners {
				b.Errorf("%+v", agenda)
			}
			if list := b.deliveries("a"); len(list) != 1 || list[0].Event != store.EventJobDead {
				b.Errorf("its deliveries: %+v", list)
			}
		},
		"deliveries wait for their time, and no longer than there is": func(b *bench) {
			w := hook("a")
			b.hook(w)
			for range 3 {
				b.happens(store.EventJobDead, "job_1")
			}
			b.settled("a", 1, func(d *store.Delivery) { d.NextAt = epoch().Add(time.Hour) })
			b.settled("a", 2, func(d *store.Delivery) {
				d.State, d.Status, d.Attempts, d.EndedAt = store.DeliveryDelivered, 200, 1, epoch()
			})
			b.settled("a", 3, func(d *store.Delivery) {
				d.NextAt, d.Status, d.Attempts = epoch().Add(2*time.Hour), 500, 1
				d.Error = &store.JobError{Code: scout.CodeWebhookFailed, Message: "it answered 500"}
			})
			if list := b.toSend(w.Host); len(list) > 0 {
				b.Errorf("%+v", list)
			}
			if agenda := b.agenda(); !reflect.DeepEqual(agenda, []store.HostAgenda{{Host: w.Host, Next: epoch().Add(time.Hour), Owners: true}}) {
				b.Errorf("%+v", agenda)
			}
			soon := epoch().Add(90 * time.Minute)
			early, err := b.DeliveryAgenda(b.Context(), soon) // the clock was set back: the second is that far ahead
			if err != nil || len(early) != 1 || !early[0].Next.IsZero() {
				b.Errorf("%+v %v", early, err)
			}
			if list, err := b.DueDeliveries(b.Context(), w.Host, epoch(), soon, 100); err != nil || len(list) != 1 || list[0].N != 3 || list[0].Error == nil || list[0].Error.Message != "it answered 500" {
				b.Errorf("%+v %v", list, err)
			}
			b.clock.Set(epoch().Add(3 * time.Hour))
			if list := b.toSend(w.Host); len(list) != 2 || list[0].N != 1 || list[1].N != 3 {
				b.Errorf("%+v", list)
			}
			if list, err := b.DueDeliveries(b.Context(), w.Host, b.clock.Now(), b.later(), 1); err != nil || len(list) != 1 || list[0].N != 1 {
				b.Errorf("%+v %v", list, err)
			}
		},
		"pages of deliveries have each of them once": func(b *bench) {
			b.hook(hook("a"))
			for range 7 {
				b.happens(store.EventJobDead, "job_1")
			}
			for _, order := range []store.Order{store.Descending, store.Ascending} {
				var got []int64
				for page := (store.Page{Limit: 3, Order: order}); ; {
					list, err := b.Deliveries(b.Context(), "a", page)
					if err != nil {
						b.Fatal(err)
					}
					for _, d := range list.Data {
						got = append(got, d.N)
					}
					if page.Cursor = list.Next; list.Next == "" {
						break
					}
				}
				want := []int64{7, 6, 5, 4, 3, 2, 1}
				if order == store.Ascending {
					want = []int64{1, 2, 3, 4, 5, 6, 7}
				}
				equal(b, string(order), got, want)
			}
		},
		"what waits is given up, counted, trimmed and deleted": func(b *bench) {
			w := hook("a")
			b.hook(w)
			for range 3 {
				b.happens(store.EventJobDead, "job_1")
			}
			b.settled("a", 2, func(d *store.Delivery) { d.State, d.EndedAt = store.DeliveryDelivered, epoch() })
			ofJob := hook("j")
			ofJob.Job = "job_gone"
			b.hook(ofJob)
			b.happens(store.EventJobCancelled, "job_gone") // of which it is not told
			b.happens(store.EventJobDead, "job_gone")
			b.update(func(tx store.Tx) error {
				n, err := tx.EndDeliveries("a", &store.JobError{Code: scout.CodeWebhookFailed, Message: "disabled"})
				if n != 3 {
					b.Errorf("%d were given up, want 3", n)
				}
				return err
			})
			counts, err := b.DeliveryCounts(b.Context(), epoch())
			if want := (store.DeliveryCounts{Waiting: 1, Dead: 3}); err != nil || counts != want {
				b.Errorf("%+v %v, want %+v", counts, err, want)
			}
			if list := b.deliveries("a"); list[1].State != store.DeliveryDead || list[1].Error.Message != "disabled" || !list[1].EndedAt.Equal(epoch()) || list[2].State != store.DeliveryDelivered {
				b.Errorf("%+v", list)
			}
			b.clock.Set(epoch().Add(time.Hour))
			trim := func() { b.update(func(tx store.Tx) error { return tx.TrimDeliveries(24 * time.Hour) }) }
			trim()
			if list := b.deliveries("a"); len(list) != 4 {
				b.Errorf("%d are left", len(list))
			}
			b.clock.Set(epoch().Add(48 * time.Hour))
			trim()
			if list := b.deliveries("a"); len(list) > 0 {
				b.Errorf("old ones are left: %+v", list)
			}
			if list := b.toSend(ofJob.Host); len(list) != 1 {
				b.Errorf("what waits for a job that is gone: %+v", list)
			}
			b.settled("j", 1, func(d *store.Delivery) { d.State, d.EndedAt = store.DeliveryDead, b.clock.Now() })
			trim()
			b.fails(scout.CodeNotFound, func(tx store.Tx) error { _, err := tx.Webhook("j"); return err })
			b.update(func(tx store.Tx) error { return tx.DeleteWebhook("a") })
			b.fails(scout.CodeNotFound, func(tx store.Tx) error { return tx.DeleteWebhook("a") })
			b.fails(scout.CodeNotFound, func(tx store.Tx) error { _, err := tx.Delivery("a", 1); return err })
		},
		"what waits for a webhook is bounded, and so is what has ended": func(b *bench) {
			b.hook(hook("a"))
			b.update(func(tx store.Tx) error {
				for range store.MostWaiting + 2 {
					if _, err := tx.Append(store.EventStream, store.NewEvent{Type: store.EventJobDead, Data: []byte("{}")}); err != nil {
						return err
					}
				}
				return nil
			})
			counts, err := b.DeliveryCounts(b.Context(), epoch())
			if want := (store.DeliveryCounts{Waiting: store.MostWaiting, Dead: 2}); err != nil || counts != want {
				b.Errorf("%+v %v, want %+v", counts, err, want)
			}
			b.update(func(tx store.Tx) error {
				if _, err := tx.EndDeliveries("a", &store.JobError{Code: scout.CodeWebhookFailed}); err != nil {
					return err
				}
				return tx.TrimDeliveries(time.Hour)
			})
			if counts, err := b.DeliveryCounts(b.Context(), epoch()); err != nil || counts.Dead != store.MostEnded {
				b.Errorf("%+v %v, want %d", counts, err, store.MostEnded)
			}
			if list := b.deliveries("a"); list[0].N != store.MostWaiting+2 {
				b.Errorf("the newest is number %d", list[0].N)
			}
		},
		"a purge leaves no delivery that has ended": func(b *bench) {
			b.hook(hook("a"))
			b.put(1)
			b.happens(store.EventJobDead, "job_1")
			b.happens(store.EventJobDead, "job_1")
			b.settled("a", 1, func(d *store.Delivery) { d.State, d.EndedAt = store.DeliveryDelivered, epoch() })
			if err := b.Purge(b.Context(), ID(1)); err != nil {
				b.Fatal(err)
			}
			if list := b.deliveries("a"); len(list) != 1 || list[0].N != 2 {
				b.Errorf("%+v", list)
			}
		},
	}
}
