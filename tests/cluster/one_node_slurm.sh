#!/bin/sh
# A Slurm of this one machine, from Debian's packages munge, slurmctld, slurmd and slurm-client, without systemd.
#
#   one_node_slurm.sh start FOLDER [CORES]    prints the configuration that sbatch finds by SLURM_CONF
#   one_node_slurm.sh stop FOLDER
#
# Everything it writes is below FOLDER. Root starts it; jobs then run as root: a test's, and nobody else's.
set -eu
action=$1 folder=$2 cores=${3:-$(env -u OMP_NUM_THREADS nproc)}

start() {
    mkdir -p "$folder/state" "$folder/spool" "$folder/munge"
    chmod 700 "$folder/munge"
    host=$(hostname -s)
    memory=$(free --mebi | awk '/^Mem:/ {print $2}')
    head -c 1024 /dev/urandom > "$folder/munge/key"
    chmod 400 "$folder/munge/key"
    cat > "$folder/slurm.conf" <<END
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=6
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,requeue_delay=1
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
KillWait=2
MinJobAge=300
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
    # Its log and pid file lie beside the socket, for it refuses folders that others may write to.
    munged --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" \
        --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
    slurmctld -f "$folder/slurm.conf" -c
    slurmd -f "$folder/slurm.conf" -c
    export SLURM_CONF="$folder/slurm.conf"
    for _ in $(seq 100); do
        if sinfo --noheader --format=%T 2> /dev/null | grep -q idle; then
            echo "$SLURM_CONF"
            return
        fi
        sleep 0.2
    done
    tail -n 20 "$folder"/*.log >&2
    exit 1
}

stop() {
    for file in slurmd.pid slurmctld.pid munge/pid; do
        [ -f "$folder/$file" ] && kill "$(cat "$folder/$file")" || true
    done
}

"$action"
