import Hardware
import Kernel
import Simulation

/// Reads a machine that has run.
extension RunResult {
  init(
    of machine: borrowing Machine, _ plan: RunPlan, ended: String, wallS: Double,
    hasDetails: Bool
  ) {
    let measured = machine.now - machine.measuredFrom
    let boot = plan.boot
    self.init(
      name: plan.name, title: plan.title, seed: plan.settings.seed, kernel: boot.version.name,
      costs: boot.costs.name, architecture: boot.architecture.name.text,
      cpuModel: boot.cpu.name, machine: MachineSummary(boot.machine),
      timeNs: measured.picoseconds / 1000, warmupNs: machine.measuredFrom.picoseconds / 1000,
      events: 0, wallS: wallS, eventsPerS: 0,
      fingerprint: hexadecimal(machine.fingerprint), ended: ended,
      operations: Self.operations(of: machine, plan, measured),
      cpuTime: Self.cpuTime(of: machine, measured), topPaths: Self.topPaths(of: machine),
      counters: Self.counters(of: machine, plan), caches: Self.caches(of: machine),
      slabPages: Self.slabPages(of: machine), slob: Self.slob(of: machine),
      callSites: Self.callSites(of: machine),
      zones: Self.zones(of: machine, hasDetails), vmalloc: Self.vmalloc(of: machine, hasDetails),
      tlb: Self.tlb(of: machine), locks: Self.locks(of: machine),
      interrupts: Self.interrupts(of: machine, plan),
      violations: Self.violations(of: machine),
      violationCount: machine.world.complaints.violationCount,
      violationsByKind: Dictionary(
        uniqueKeysWithValues: machine.world.complaints.countByKind.map { ($0.rawValue, $1) }),
      warnings: machine.world.complaints.warnings.map {
        Warning(cpu: $0.cpu, timeNs: nanoseconds($0.time), message: $0.message)
      }, warningCount: machine.world.complaints.warningCount,
      wouldReclaim: Self.wouldReclaim(of: machine), notes: plan.notes,
      stateBytesPerCpu: machine.stateBytesPerCPU)
  }

  private static func operations(
    of machine: borrowing Machine, _ plan: RunPlan, _ measured: Duration
  ) -> [String: Operation] {
    var all: [String: Operation] = [:]
    for (index, name) in plan.program.operations.enumerated() {
      let histogram = machine.world.program.latencies[index]
      func percentile(_ permille: Int) -> Double {
        machine.world.program.latencies.percentile(index, permille: permille).nanoseconds
      }
      let count = histogram.count
      let mean = count > 0 ? Double(histogram.sum) / Double(count) / 1000 : 0
      let seconds = Double(measured.picoseconds) / 1e12
      all[name] = Operation(
        count: count, failed: machine.world.program.failures[index],
        throughputPerS: seconds > 0 ? Double(count) / seconds : 0,
        latencyNs: Latency(
          min: count > 0 ? Double(histogram.least) / 1000 : 0, mean: mean, p50: percentile(500),
          p90: percentile(900), p99: percentile(990), max: Double(histogram.most) / 1000))
    }
    return all
  }

  /// Whole nanoseconds that add up exactly: the largest remainders are rounded up; where the run
  /// ended within a nanosecond, that part is taken from the largest category.
  private static func cpuTime(
    of machine: borrowing Machine, _ measured: Duration
  ) -> [String: UInt64] {
    let cpus = UInt64(machine.world.layout.cpuCount)
    let whole = Int(cpus * (measured.picoseconds / 1000))
    var parts: [(key: String, whole: UInt64, remainder: UInt64)] = []
    for category in TimeCategory.allCases {
      let spent = machine.accounting.spent(in: category).picoseconds
      parts.append((category.key, spent / 1000, spent % 1000))
    }
    let rest = whole - Int(parts.reduce(0) { $0 + $1.whole })
    if rest >= 0 {
      let byRemainder = parts.indices.sorted { parts[$0].remainder > parts[$1].remainder }
      for index in byRemainder.prefix(rest) { parts[index].whole += 1 }
    } else if let largest = parts.indices.max(by: { parts[$0].whole < parts[$1].whole }) {
      parts[largest].whole -= min(parts[largest].whole, UInt64(-rest))
    }
    return Dictionary(uniqueKeysWithValues: parts.map { ($0.key, $0.whole) })
  }

  private static func topPaths(of machine: borrowing Machine) -> [String: String] {
    var all: [String: String] = [:]
    for category in TimeCategory.allCases where category != .idle && category != .workload {
      all[category.key] = machine.accounting.topPath(of: category)?.text
    }
    return all
  }

  private static func counters(
    of machine: borrowing Machine, _ plan: RunPlan
  ) -> [String: UInt64] {
    var all: [String: UInt64] = [:]
    for counter in VMStat.allCases {
      all[counter.text] = machine.world.counters[counter]
    }
    for (index, name) in plan.program.counters.enumerated() {
      all[name] = machine.world.program.counters[index]
    }
    return all
  }

  private static func tlb(of machine: borrowing Machine) -> TLB {
    let shootdowns = machine.world.shootdowns
    let mean =
      shootdowns.count > 0 ? shootdowns.total.nanoseconds / Double(shootdowns.count) : 0
    return TLB(
      shootdowns: shootdowns.count, ipisSent: machine.world.counters[.ipisSent],
      ipisReceived: machine.world.counters[.ipisReceived],
      flushAll: machine.world.vmalloc.statistics.flushAllCPUs,
      flushOne: machine.world.counters[.nr_tlb_local_flush_one],
      broadcasts: machine.world.vmalloc.statistics.broadcastOperations,
      waitNs: TLB.Wait(mean: mean, max: shootdowns.most.nanoseconds),
      slowestCpu: shootdowns.slowest,
      partsNs: TLB.Parts(
        (0..<5).map {
          shootdowns.count > 0
            ? shootdowns.parts[$0].nanoseconds / Double(shootdowns.count) : 0
        }), longest: longest(of: machine))
  }

  private static func longest(of machine: borrowing Machine) -> [TLB.Longest] {
    var all: [TLB.Longest] = []
    for place in 0..<machine.world.calls.slow.count {
      let shootdown = machine.world.calls.slow[place]
      guard !shootdown.initiator.isNone else { break }
      let answer = shootdown.slowest
      all.append(
        TLB.Longest(
          timeNs: nanoseconds(shootdown.began), initiator: shootdown.initiator.index,
          function: shootdown.function.text, targets: Int(shootdown.targets),
          lengthNs: shootdown.length.nanoseconds,
          partsNs: TLB.Parts((0..<5).map { shootdown.parts[$0].nanoseconds }),
          slowestCpu: answer.cpu.isNone ? -1 : answer.cpu.index, cause: answer.cause.text,
          path: answer.path.text, task: machine.world.tasks.name(of: answer.task),
          lock: answer.lock.isNone ? nil : machine.world.locks.name(of: answer.lock)))
    }
    return all
  }

  private static func locks(of machine: borrowing Machine) -> [Lock] {
    var all: [Lock] = []
    for index in 0..<machine.world.locks.locks.highWater {
      let lock = machine.world.locks.locks[LockID(index)]
      guard lock.acquisitions > 0 else { continue }
      func times(_ total: Duration, _ most: Duration, of count: UInt64) -> Lock.Times {
        Lock.Times(
          total: total.nanoseconds, mean: count > 0 ? total.nanoseconds / Double(count) : 0,
          max: most.nanoseconds)
      }
      all.append(
        Lock(
          name: machine.world.locks.name(of: LockID(index)),
          type: lock.kind.text, acquisitions: lock.acquisitions,
          contended: lock.contended, depthMax: Int(lock.depthMax),
          crossNode: UInt64(lock.crossNode),
          waitNs: times(lock.waitTotal, lock.waitMax, of: lock.contended),
          holdNs: times(lock.holdTotal, lock.holdMax, of: lock.acquisitions)))
    }
    return merged(all).sorted { ($0.waitNs.total, $1.name) > ($1.waitNs.total, $0.name) }
  }

  /// The CPUs' own copies of a local lock together.
  private static func merged(_ locks: [Lock]) -> [Lock] {
    var all: [Lock] = []
    for lock in locks {
      guard lock.type == LockKind.localLock.text,
        let place = all.firstIndex(where: { $0.name == lock.name && $0.type == lock.type })
      else {
        all.append(lock)
        continue
      }
      all[place].acquisitions += lock.acquisitions
      all[place].holdNs.total += lock.holdNs.total
      all[place].holdNs.max = max(all[place].holdNs.max, lock.holdNs.max)
      all[place].holdNs.mean = all[place].holdNs.total / Double(all[place].acquisitions)
    }
    return all
  }

  private static func interrupts(of machine: borrowing Machine, _ plan: RunPlan) -> Interrupts {
    let cpus = machine.world.layout.cpuCount
    return Interrupts(
      sources: plan.program.sources.enumerated().map { index, source in
        Interrupts.Source(
          name: source.name, arrivals: machine.world.program.arrivals(of: index),
          cpus: source.cpus,
          handledByCpu: (0..<cpus).map {
            machine.world.program.handledInterrupts(of: index, on: CPUID($0))
          })
      }, callFunction: machine.world.counters[.ipisReceived],
      device: machine.world.counters[.deviceInterrupts],
      softirqs: machine.world.counters[.softirqs],
      ksoftirqdWakeups: machine.world.counters[.ksoftirqdWakeups],
      contextSwitches: machine.world.counters[.contextSwitches],
      runQueueWaitNs: TLB.Wait(
        mean: machine.world.tasks.waitTotal.nanoseconds / Double(max(machine.world.tasks.waits, 1)),
        max: machine.world.tasks.waitMax.nanoseconds),
      callFunctionByCpu: (0..<cpus).map { UInt64(machine.world.cpus[$0].callInterrupts) },
      rescheduleByCpu: (0..<cpus).map { UInt64(machine.world.cpus[$0].rescheduleInterrupts) })
  }

  private static func violations(of machine: borrowing Machine) -> [Violation] {
    // A CPU that ran ahead reported before one that is behind it in the queue.
    machine.world.complaints.violations.sorted {
      ($0.time, $0.cpu) < ($1.time, $1.cpu)
    }.map {
      Violation(
        kind: $0.kind.rawValue, headline: $0.headline, cpu: $0.cpu, timeNs: nanoseconds($0.time),
        context: $0.context,
        path: $0.path, message: $0.message)
    }
  }
}

/// Sixteen digits.
private func hexadecimal(_ number: UInt64) -> String {
  let digits = String(number, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}

func nanoseconds(_ time: Instant) -> Double { Double(time.picoseconds) / 1000 }
