package gather

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"zkd/daemon/doctor"
)

// configDir is where the packaged units have their configurations.
const configDir = "/etc/zkd"

// unitName is the unit of a configuration: zkd.service, or zkd@name.service of /etc/zkd/name.toml.
func unitName(configFile string) string {
	if name, ok := strings.CutSuffix(filepath.Base(configFile), ".toml"); ok && filepath.Dir(configFile) == configDir && name != "zkd" {
		return "zkd@" + name + ".service"
	}
	return "zkd.service"
}

// unit asks systemd, where it runs.
func (g *gatherer) unit(ctx context.Context) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		g.unseen("systemd unit", "systemd does not run here")
		return
	}
	name := unitName(g.o.ConfigFile)
	text, err := g.show(ctx, name)
	if err != nil {
		g.unseen("systemd unit", err.Error())
		return
	}
	u := parseUnit(name, text)
	for _, other := range []string{"zookeeper.service"} {
		if text, err := g.show(ctx, other); err == nil && parseUnit(other, text).Active == "active" {
			u.OtherZooKeeper = other
		}
	}
	g.f.Unit = &u
}

func (g *gatherer) show(ctx context.Context, unit string) (string, error) {
	ctx, cancel := g.as(ctx)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--no-pager", "-p",
		"LoadState,ActiveState,SubState,Result,UnitFileState,NRestarts,ExecMainStatus,NeedDaemonReload,User,AmbientCapabilities,StatusText", unit).Output()
	return string(out), err
}

// parseUnit reads what systemctl show prints: key=value lines.
func parseUnit(name, text string) doctor.Unit {
	u := doctor.Unit{Name: name}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		n, _ := strconv.Atoi(value) // of numbers only
		switch key {
		case "LoadState":
			u.Loaded = value == "loaded"
		case "ActiveState":
			u.Active = value
		case "SubState":
			u.Sub = value
		case "Result":
			u.Result = value
		case "UnitFileState":
			u.Enabled = value
		case "NRestarts":
			u.Restarts = n
		case "ExecMainStatus":
			u.ExitStatus = n
		case "NeedDaemonReload":
			u.NeedsReload = value == "yes"
		case "User":
			u.User = value
		case "AmbientCapabilities":
			u.CapabilityNet = strings.Contains(strings.ToLower(value), "cap_net_admin")
		case "StatusText":
			u.StatusText = value
		}
	}
	return u
}
