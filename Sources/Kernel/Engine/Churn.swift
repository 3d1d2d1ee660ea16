import Hardware
import Simulation

/// The same loop on several CPUs at once: get a batch of objects one by one, give them back one by
/// one, and again. For comparing what stays with recordings of concurrent loads.
///
/// Each CPU has a slot: how far its loop is, and the batch that it holds.
package struct Churn: ~Copyable {
  package enum Kind: BitwiseCopyable, Sendable {
    case cache(CacheID)
    /// An area, of which each page is read and written before it goes.
    case vmalloc(pages: Int32)
  }
  package struct Slot: BitwiseCopyable {
    var round: Int32 = 0
    var held: Int32 = 0
    package var got: Int64 = 0
    package var failed: Int64 = 0
  }

  package private(set) var kind: Kind
  private(set) var rounds: Int32
  private(set) var batch: Int32
  package internal(set) var slots: Buffer<Slot>
  var objects: Buffer<Address>
  /// Slots in use, and those whose loop has ended.
  private(set) var count: Int
  var ended: Int

  init() {
    (kind, rounds, batch, count, ended) = (.vmalloc(pages: 0), 0, 0, 0, 0)
    slots = Buffer(1, Slot())
    objects = Buffer(1, .null)
  }
  private init(cloning other: borrowing Churn) {
    (kind, rounds, batch) = (other.kind, other.rounds, other.batch)
    (count, ended) = (other.count, other.ended)
    slots = other.slots.clone()
    objects = other.objects.clone()
  }
  func clone() -> Churn { Churn(cloning: self) }

  package var isDone: Bool { ended == count }
  /// What all slots were given, and what they were not.
  package var totals: (got: Int64, failed: Int64) {
    var totals: (got: Int64, failed: Int64) = (0, 0)
    for slot in 0..<count {
      totals.got += slots[slot].got
      totals.failed += slots[slot].failed
    }
    return totals
  }

  mutating func begin(_ kind: Kind, rounds: Int32, batch: Int32, slots count: Int) {
    (self.kind, self.rounds, self.batch) = (kind, rounds, batch)
    (self.count, ended) = (count, 0)
    slots = Buffer(count, Slot())
    objects = Buffer(count * Int(batch), .null)
  }
}

/// The loop of one slot.
package enum ChurnPath: Path {
  case start(slot: Int16)
  case allocated(slot: Int16)
  case touched(slot: Int16)
  case freed(slot: Int16)

  package static var name: PathName { .script }
  package mutating func step(_ world: inout World, on cpu: CPUID, _ reply: Reply) -> Step {
    switch self {
    case .start(let slot): return allocate(slot, &world)
    case .allocated(let slot): return note(reply.address, slot, &world)
    case .touched(let slot): return allocate(slot, &world)
    case .freed(let slot): return free(slot, &world)
    }
  }

  /// Asks for the next object of the batch; when it is full, or nothing comes, gives it back.
  private mutating func allocate(_ slot: Int16, _ world: inout World) -> Step {
    guard world.visit.churn.slots[Int(slot)].held < world.visit.churn.batch else {
      return free(slot, &world)
    }
    switch world.visit.churn.kind {
    case .cache(let cache):
      let call = KmemCacheAlloc.start(cache: cache, gfp: .kernel, node: .any)
      return ask(.call(.kmemCacheAlloc(call)), then: .allocated(slot: slot))
    case .vmalloc(let pages):
      let call = Vmalloc.start(pages: pages, gfp: .kernel, node: .any)
      return ask(.call(.vmalloc(call)), then: .allocated(slot: slot))
    }
  }

  private mutating func note(_ address: Address, _ slot: Int16, _ world: inout World) -> Step {
    guard address != .null else {
      world.visit.churn.slots[Int(slot)].failed += 1
      return free(slot, &world)
    }
    let place = Int(slot) * Int(world.visit.churn.batch)
    let held = Int(world.visit.churn.slots[Int(slot)].held)
    world.visit.churn.objects[place + held] = address
    world.visit.churn.slots[Int(slot)].held += 1
    world.visit.churn.slots[Int(slot)].got += 1
    guard case .vmalloc(let pages) = world.visit.churn.kind else { return allocate(slot, &world) }
    // Each page is read, then written.
    let touch = TouchMemory.start(address: address, bytes: UInt32(pages) << 12, stride: 1 << 11)
    return ask(.call(.touch(touch)), then: .touched(slot: slot))
  }

  /// Gives back the newest object of the batch; when none is left the next round begins.
  private mutating func free(_ slot: Int16, _ world: inout World) -> Step {
    let held = world.visit.churn.slots[Int(slot)].held
    guard held > 0 else {
      world.visit.churn.slots[Int(slot)].round += 1
      guard world.visit.churn.slots[Int(slot)].round < world.visit.churn.rounds else {
        world.visit.churn.ended += 1
        return .return()
      }
      return allocate(slot, &world)
    }
    world.visit.churn.slots[Int(slot)].held = held - 1
    let place = Int(slot) * Int(world.visit.churn.batch) + Int(held) - 1
    let address = world.visit.churn.objects[place]
    switch world.visit.churn.kind {
    case .cache(let cache):
      return ask(.call(.kmemCacheFree(.start(cache, address))), then: .freed(slot: slot))
    case .vmalloc:
      return ask(.call(.vfree(.start(address))), then: .freed(slot: slot))
    }
  }
}

extension Machine {
  /// Has all these CPUs run the loop from now on, until `world.visit.churn.isDone`.
  ///
  /// Their threads are made one after the other, and each waits for its own to run: what wakes the
  /// maker of threads, that one's answer, and the thread itself lie between two of them.
  /// Kernel: `kthread_create_on_node()`, `create_kthread()`, `wake_up_process()` (kernel/kthread.c,
  /// 6.12). Not modelled: the fork, which only makes that longer.
  package mutating func churn(_ kind: Churn.Kind, rounds: Int32, batch: Int32, on cpus: [CPUID]) {
    precondition(world.visit.churn.isDone, "a churn while another is under way")
    world.visit.churn.begin(kind, rounds: rounds, batch: batch, slots: cpus.count)
    let waking = costs[.wakeupLatency] + costs[.contextSwitch]
    for (slot, cpu) in cpus.enumerated() {
      let start = now + waking * Int32(3 * slot)
      self.start(.churn(.start(slot: Int16(slot))), on: cpu, at: start)
    }
  }
}
