package daemon

import (
	"context"
	"runtime"

	"github.com/shirou/gopsutil/v4/load"

	"github.com/scout-speech/scout/internal/power"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/secondlook"
)

// startSecondLooks has recordings decoded again that only have a text of the fast model, while nobody needs the machine.
func (d *daemon) startSecondLooks() {
	s := d.options.Settings.Transcribe
	if s.SecondLook == "off" {
		return
	}
	d.components.run("second look", secondlook.New(secondlook.Options{
		Store: d.store, Queue: d.jobs, Work: d.activity.work, Models: d.modelsOfLooks, Machine: d.machineBusy, Days: s.SecondLookDays, Scope: d.options.Scope,
	}).Run)
}

// modelsOfLooks returns the ids of the fast and the accurate model that are installed; empty for none.
func (d *daemon) modelsOfLooks(context.Context) (fast, accurate string, err error) {
	if d.options.Settings.Transcribe.Model != "" { // it is for everything
		return "", "", nil
	}
	models, err := d.models()
	if err != nil {
		return "", "", err
	}
	list, err := models.List()
	if err != nil {
		return "", "", err
	}
	of := func(role recognize.Role) (string, error) {
		id, err := d.engines.Roles().Pick(models, role)
		for i := range list {
			if m := &list[i]; m.Installed && m.Problem == "" && (m.ID == id || id == "" && m.Selected) {
				return m.ID, err
			}
		}
		return "", err
	}
	if fast, err = of(recognize.Fast); err != nil {
		return "", "", err
	}
	accurate, err = of(recognize.Accurate)
	return fast, accurate, err
}

// machineBusy returns why the machine is needed for something else, or runs on a battery; empty if neither.
func (d *daemon) machineBusy(begun bool) string {
	switch {
	case d.strain.level.Load() > 0:
		return "degraded"
	case !power.Mains(power.Supplies):
		return "battery"
	case begun: // the load is that of the look itself
		return ""
	}
	const most = 0.5 // of the processors
	if average, err := load.Avg(); err == nil && average.Load1 > most*float64(runtime.NumCPU()) {
		return "load"
	}
	return ""
}
