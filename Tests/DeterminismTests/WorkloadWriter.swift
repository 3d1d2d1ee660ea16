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
    threads:
      - name: t
        on: all
        slots: {name: objects, count: \(1 + random.below(3))}
        loop: [{work: \(time())}, \(steps(3, depth: 2))]
    run: {duration: 40us, seed: \(random.below(1000))}
    """
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
    case 0: return "{work: \(time())}"
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
