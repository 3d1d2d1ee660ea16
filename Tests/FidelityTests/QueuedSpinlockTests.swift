import Hardware
import Kernel
import Simulation
import Testing
import Topology

@testable import Run

/// One contended spinlock from 1 to 142 threads on four sockets: stock kernel 5.10-rc2.
///
/// Source: A. Kogan, "Add NUMA-awareness to qspinlock" (LKML, 2019 to 2021): Oracle X5-4, four Xeon
/// E7-8895 v3, 18 cores of two threads each. Two workloads, each calibrated on 1 and 2 threads; what 4
/// to 142 do is predicted.
///
/// *locktorture* (kernel/locking/locktorture.c, 5.10): each turn holds the lock for 2 us once in 4N
/// turns, and for 100 ms once in 200,000N, N being the threads: 500/N ns each on average. The long
/// holds are too rare to be run here, and while one lasts everybody waits: they are added to the
/// time of a turn. A run lasted 30 s: 1,000 ns of a turn's 1,123 are the delays then. Its kthreads
/// are not bound, and taken to be spread over the sockets in turn. One thread gives the work of a
/// turn, two give the price of a line from another socket.
///
/// *lock2_threads* (will-it-scale): a turn locks and unlocks a range of one file by fcntl, each a
/// system call that takes the file's `flc_lock` once. Threads are bound to the cores of one socket
/// after the other, second threads of cores last. One thread gives the work in and out of the lock
/// together, two how much of it is in. The price of a line from another socket is locktorture's.
/// What it also does, and is not here: allocations of file locks, a second lock's per-CPU list.
///
/// Reached: locktorture a median error of 27 %, the worst 45 %, rank correlation 0.83; lock2_threads
/// 119 %, 164 % and 0.94: right in its shape only. Two threads of locktorture move the lines of its
/// statistics too, so the price that they give, 337 ns, is that of more than one line.
@Suite struct QueuedSpinlockTests {
  static let text = String(decoding: PackageResources.qspinlock_4socket_csv, as: UTF8.self)

  /// Operations by threads.
  private static func published(_ series: String) -> [(threads: Int, rate: Double)] {
    text.split(whereSeparator: \.isNewline).compactMap { line in
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      guard cells.count == 8, cells[0] == series, let threads = Int(cells[2]),
        let rate = Double(cells[4])
      else { return nil }
      return (threads, rate)
    }
  }

  /// CPUs are numbered as Linux does: first threads of all cores, socket by socket, then second ones.
  private static let machine: MachineDescription = {
    let cpus = (0..<144).map { number in
      let core = number % 72
      return MachineDescription.CPU(
        osNumber: number, core: core, llc: core / 18, die: core / 18, package: core / 18,
        node: core / 18, thread: number / 72)
    }
    return MachineDescription(
      source: "X5-4", cpus: cpus,
      nodes: (0..<4).map {
        MachineDescription.Node(osNumber: $0, memoryBytes: 1 << 30, hasCPUs: true)
      },
      distances: (0..<4).map { a in (0..<4).map { a == $0 ? 10 : 21 } }, caches: [],
      defaultsUsed: [])
  }()

  private func costs(otherSocket: Double = 110) throws -> Costs {
    try CostFile.named("generic-x86").setting(
      .lineOtherSocket, to: Duration(picoseconds: UInt64(otherSocket * 1000)))
  }

  /// Time between two acquisitions of the one lock, whoever's. Unit: ns.
  ///
  /// - Parameter inside: steps while the lock is held; `outside`: between two holds.
  private func turn(
    _ threads: [Int], inside: [Op], outside: [Op], _ distributions: [Distribution],
    _ costs: Costs, length: UInt64 = 150_000
  ) throws -> Double {
    var program = Program()
    (program.locks, program.distributions) = (["lock"], distributions)
    program.code = [.lock(0, irqs: .kept)] + inside + [.unlock(0, irqs: .kept)] + outside
    program.code.append(.jump(0))
    program.groups = [Program.Group(name: "t", first: 0, count: threads.count)]
    // Who comes when is chance: the queue keeps the order for ever.
    var random = RandomStream(seed: 7, name: "starts", index: threads.count)
    program.threads = threads.enumerated().map { index, cpu in
      Program.Thread(
        name: "t/\(cpu)", cpu: cpu, group: 0, index: index, entry: 0, slotCount: 0,
        start: Instant(picoseconds: UInt64(random.below(8_000_000))))
    }
    let version = try #require(KernelVersion(named: "5.10"))
    var machine = Machine(Boot(machine: Self.machine, version: version, costs: costs))
    machine.load(program, seed: 1)
    let (warm, end) = (Instant(picoseconds: 20_000_000), length * 1000 + 20_000_000)
    _ = machine.run(until: warm)
    machine.settle(at: warm)
    machine.beginMeasuring()
    _ = machine.run(until: Instant(picoseconds: end))
    let lock = machine.world.locks.locks.highWater - 1
    let taken = machine.world.locks.locks[LockID(lock)].acquisitions
    return Double(length) / Double(taken)
  }

  private func ps(_ ns: Double) -> Distribution { .constant(UInt64(max(ns, 0) * 1000)) }

  /// - Parameter work: what a turn does beside its delays and its lock. Unit: ns.
  private func torture(_ count: Int, work: Double, _ costs: Costs) throws -> Double {
    var program: [Op] = []
    // A delay of 2 us once in 4N turns; nothing in the others. As a mean it is the same for those
    // who wait in a queue: 500/N ns.
    program.append(.work(distribution: 0))
    let threads = (0..<count).map { $0 % 4 * 18 + $0 / 4 % 18 + ($0 / 72) * 72 }
    let short = try turn(
      threads, inside: program, outside: [.work(distribution: 1)],
      [ps(500 / Double(count) + work / 2), ps(work / 2)], costs)
    return short + 500 / Double(count)
  }

  private func fileLock(
    _ count: Int, inside: Double, outside: Double, _ costs: Costs
  ) throws -> Double {
    try turn(
      Array(0..<count), inside: [.work(distribution: 0)], outside: [.work(distribution: 1)],
      [ps(inside), ps(outside)], costs) * 2
  }

  /// The value that makes `figure` come to `wanted`, which grows with it. Unit: ns.
  private func calibrated(
    _ wanted: Double, from low: Double, through high: Double,
    _ figure: (Double) throws -> Double
  ) rethrows -> Double {
    var (low, high) = (low, high)
    for _ in 0..<8 {
      let middle = (low + high) / 2
      if try figure(middle) < wanted { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  private func judge(
    _ name: String, _ rows: [(threads: Int, published: Double, predicted: Double)]
  ) -> (median: Double, worst: Double, rank: Double) {
    for row in rows {
      print(
        "\(name), \(row.threads) threads: predicted \(Int(row.predicted)) ns a turn, published "
          + "\(Int(row.published)): off \(Int(((row.predicted / row.published) - 1) * 100)) %")
    }
    let errors = rows.map { abs($0.predicted / $0.published - 1) }.sorted()
    let median = (errors[(errors.count - 1) / 2] + errors[errors.count / 2]) / 2
    func ranks(_ values: [Double]) -> [Double] {
      values.map { value in Double(values.count { $0 < value }) }
    }
    let (a, b) = (ranks(rows.map(\.published)), ranks(rows.map(\.predicted)))
    let squares = zip(a, b).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let n = Double(rows.count)
    let rank = 1 - 6 * squares / (n * (n * n - 1))
    print(
      "\(name): median error \(Int(median * 100)) %, worst \(Int(errors.last! * 100)) %, rank "
        + "correlation \((rank * 100).rounded() / 100)")
    return (median, errors.last!, rank)
  }

  @Test("One and two threads calibrate; 4 to 142 are predicted")
  func fourSockets() throws {
    let published = Self.published("locktorture-stock-5.10-rc2")
    try #require(published.count == 10)
    // ns a turn: 30 s by 1e7 operations.
    let times = published.map { (threads: $0.threads, time: 3000 / $0.rate) }
    let plain = try costs()
    let alone = try torture(1, work: 0, plain)
    let work = max(0, times[0].time - alone)
    let far = try calibrated(times[1].time, from: 30, through: 400) {
      try torture(2, work: work, costs(otherSocket: $0))
    }
    let prices = try costs(otherSocket: far)
    print("locktorture: \(Int(work)) ns of work a turn, \(Int(far)) ns a line between sockets")
    let torturing = judge(
      "locktorture",
      try times.dropFirst(2).map {
        ($0.threads, $0.time, try torture($0.threads, work: work, prices))
      })
    let files = Self.published("wis-lock2_threads-stock-5.10-rc2").map {
      (threads: $0.threads, time: 1000 / $0.rate)
    }
    try #require(files.count == 10)
    let bare = try fileLock(1, inside: 0, outside: 0, prices)
    let all = max(0, (files[0].time - bare) / 2)
    let inside = try calibrated(files[1].time, from: 0, through: all) {
      try fileLock(2, inside: $0, outside: all - $0, prices)
    }
    print("lock2: \(Int(inside)) ns of \(Int(all)) under the lock")
    let locking = judge(
      "lock2_threads",
      try files.dropFirst(2).map {
        (
          $0.threads, $0.time,
          try fileLock($0.threads, inside: inside, outside: all - inside, prices)
        )
      })
    // Honest bounds around what was reached, not around what is wished for.
    #expect(torturing.median <= 0.35 && torturing.worst <= 0.55 && torturing.rank >= 0.7)
    #expect(locking.median <= 1.4 && locking.worst <= 1.9 && locking.rank >= 0.8)
  }
}
