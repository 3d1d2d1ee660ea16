import Simulation

/// Writes scenarios at random: threads on all CPUs with a small pool of slots that the next thread
/// uses too.
struct WorkloadWriter {
  private var random: RandomStream
  init(seed: UInt64) { random = RandomStream(seed: seed, name: "workload", index: 0) }

  mutating func scenario() -> String {
    """
    scenario: 1
    caches: {c: {size: 192B}}
    locks: [table]
    \(interrupts())
    threads:
      - name: t
        on: all
        slots: {name: objects, count: \(1 + random.below(3))}
        loop: [{work: \(time())}, \(steps(3, depth: 2))]
      - name: mapper
        on: last
        loop: [\(mapping()), {sleep: \(1 + random.below(4))us}]
      - name: reader
        on: first
        each: [{work: 100ns}, {kmem_cache_free: {cache: c, object: head}}]
    run: {duration: 40us, seed: \(random.below(1000))}
    """
  }

  /// A device on some CPUs, whose softirqs pass objects to a thread.
  private mutating func interrupts() -> String {
    let arrivals = random.below(2) == 0 ? "{every: 1us}" : "{poisson: 700k/s, units: 2}"
    return """
      interrupts:
        - name: nic
          cpus: \(random.below(2) == 0 ? "all" : "first-cpu-of-each-node")
          arrivals: \(arrivals)
          hardirq: [{work: 100ns}, {raise: net-rx}]
          softirq:
            net-rx:
              each:
                - kmem_cache_alloc: {cache: c, gfp: GFP_ATOMIC, as: head, on-failure: drop}
                - hand_over: {to: reader, objects: [head], on-failure: drop}
      """
  }

  private mutating func mapping() -> String {
    let size = ["4KiB", "64KiB", "256KiB"][random.below(3)]
    let purge = random.below(2) == 0 ? ", vm_unmap_aliases" : ""
    return "{vmalloc: {size: \(size), as: area}}, {touch: area}, {lock: table}, {work: 50ns}, "
      + "{unlock: table}, {vfree: area}\(purge)"
  }

  /// Times that are alike on all CPUs, or drawn.
  private mutating func time() -> String {
    random.below(2) == 0 ? "20ns" : "{uniform: [12ns, 28ns]}"
  }

  private mutating func steps(_ count: Int, depth: Int) -> String {
    (0..<count + random.below(3)).map { _ in step(depth) }.joined(separator: ", ")
  }

  private mutating func step(_ depth: Int) -> String {
    let pick = "{pick: {pool: objects, own: 1, next: \(1 + random.below(2))}}"
    switch random.below(depth > 0 ? 12 : 8) {
    case 0:
      return random.below(3) == 0
        ? "{lock: table}, {work: \(time())}, {unlock: table}" : "{work: \(time())}"
    case 1: return "{kmalloc: {size: 256B, as: mine}}, {kfree: mine}"
    case 2: return "\(pick), {kmalloc: {size: 256B, as: picked}}"
    case 3: return "\(pick), {kmem_cache_alloc: {cache: c, as: picked}}, {touch: picked}"
    case 4, 5: return "\(pick), {kfree: picked}"
    case 6: return "\(pick), {touch: picked}, {kfree: picked}"
    case 7:
      return
        "\(pick), {kmalloc: {size: 96B, as: picked}}, {kmalloc: {size: 96B, as: mine}}, {kfree: mine}"
    case 8, 9:
      let test = random.below(2) == 0 ? "full" : "empty"
      return "\(pick), {when: {\(test): picked, then: [\(steps(1, depth: depth - 1))], "
        + "else: [{kfree: picked}, \(steps(1, depth: depth - 1))]}}"
    case 10:
      return "\(pick), {choose: [{weight: 1, do: [{kmalloc: {size: 256B, as: picked}}]}, "
        + "{weight: 2, do: [\(steps(1, depth: depth - 1))]}]}, {forget: picked}"
    default: return "{repeat: {times: 2, do: [\(steps(1, depth: depth - 1))]}}"
    }
  }
}
