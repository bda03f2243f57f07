package gather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zkd/daemon/config"
	"zkd/daemon/doctor"
	"zkd/quorum/inspect"
	"zkd/quorum/snap"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Bounds of the look at the disk.
const (
	fsyncWrites = 200
	fsyncBytes  = 4096
	fsyncTime   = 2 * time.Second
)

// lookAt fills in what is known of a directory, or why nothing is. One that is not there yet is judged by what it will
// be made in.
func lookAt(d *doctor.Dir) error {
	info, err := os.Stat(d.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		d.Error = err.Error()
		return err
	default:
		d.Found, d.Mode = true, uint32(info.Mode().Perm())
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			d.Owner = userName(int(st.Uid))
		}
	}
	at := d.Path
	for ; at != "/" && at != "."; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil {
			break
		}
	}
	var st unix.Statfs_t
	if unix.Statfs(at, &st) == nil {
		d.FreeBytes, d.TotalBytes = int64(st.Bavail)*st.Bsize, int64(st.Blocks)*st.Bsize
		d.FileSystem = fileSystems[int64(st.Type)]
	}
	return nil
}

// fileSystems are those that a judgement depends on, by their magic. Source: statfs(2).
var fileSystems = map[int64]string{
	unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs", unix.NFS_SUPER_MAGIC: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2",
	unix.FUSE_SUPER_MAGIC: "fuse", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs",
	unix.BTRFS_SUPER_MAGIC: "btrfs",
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// fsync times writes as those of the log: synced, of 4 KiB, one after the other. The file has no name, so nothing is
// left of it whatever happens.
func fsync(ctx context.Context, dir string) (*doctor.Fsync, error) {
	if inner := filepath.Join(dir, "version-2"); isDir(inner) {
		dir = inner
	}
	f, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_WRONLY|unix.O_DSYNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("no file can be made: %w", err)
	}
	defer f.Close()
	block := make([]byte, fsyncBytes)
	var took []int64
	for began := time.Now(); len(took) < fsyncWrites && time.Since(began) < fsyncTime && ctx.Err() == nil; {
		at := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		took = append(took, time.Since(at).Microseconds())
	}
	if len(took) == 0 {
		return nil, ctx.Err()
	}
	slices.Sort(took)
	return &doctor.Fsync{Dir: dir, Count: len(took), P50: took[len(took)/2], P99: took[len(took)*99/100], Max: took[len(took)-1]}, nil
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// snapshots looks at the files of snapshots and log; nil where there are none yet.
func (g *gatherer) snapshots(snapDir, logDir string) (*doctor.Snapshots, error) {
	found, skipped, err := snap.Candidates(vfs.OS(), snapDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &doctor.Snapshots{Count: len(found)}
	var newest zk.Zxid = -1
	if len(found) > 0 {
		newest = found[0].Zxid
		if info, err := os.Stat(filepath.Join(snapDir, found[0].Name)); err == nil {
			s.NewestAgeSeconds, s.NewestBytes = int64(time.Since(info.ModTime()).Seconds()), info.Size()
		}
	}
	for _, k := range skipped {
		if z, _, ok := snap.ParseFileName(k.Name); ok && z > newest {
			s.Damaged = append(s.Damaged, k.String())
		}
	}
	names, err := os.ReadDir(logDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, entry := range names {
		digits, ok := strings.CutPrefix(entry.Name(), "log.")
		first, err := strconv.ParseInt(digits, 16, 64)
		if !ok || err != nil {
			continue
		}
		s.LogFiles++
		if info, err := entry.Info(); err == nil && zk.Zxid(first) > newest {
			s.LogBytes += info.Size()
		}
	}
	if g.o.Deep && s.LogFiles > 0 {
		err := inspect.VerifyLog(vfs.OS(), logDir, io.Discard, inspect.Options{MaxTxnBytes: 2 * int(g.f.Config.Client.MaxFrame)})
		if errors.Is(err, inspect.ErrDamaged) {
			s.LogDamage = err.Error()
		} else if err != nil {
			return s, err
		}
	}
	return s, nil
}

// clock asks the kernel whether somebody keeps its clock right.
func (g *gatherer) clock() {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		g.unseen("clock", err.Error())
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f.Clock = &doctor.Clock{Synchronised: state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0}
}

// PortRange is where the kernel of this host takes ports for outgoing connections from; ok is false where it does not say.
func PortRange() (r config.PortRange, ok bool) {
	limits, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return r, false
	}
	reserved, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports")
	if err != nil {
		return r, false
	}
	return config.ParsePortRange(string(limits), string(reserved))
}
