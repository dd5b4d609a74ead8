import os from "node:os";
import { MemoryError } from "../errors.js";
import { formatBytes } from "../format.js";
import type { DevicePart, MemoryPart, MemoryPlan } from "../native/model.js";

/**
 * The bytes that the process may use: the memory of the machine, or the limit of its container. `mapped` are bytes of weights that are mapped from
 * a file: the machine, though not a container, counts them as available while they are in use.
 */
export function memoryLimits(mapped = 0): { total: number; available: number } {
  const limit = process.constrainedMemory?.() ?? 0;
  const contained = limit > 0 && limit < os.totalmem();
  const total = contained ? limit : os.totalmem();
  // availableMemory() (Node 20.13) knows containers and counts reclaimable caches; freemem() does not, and is far too small.
  const available = process.availableMemory?.() ?? os.freemem();
  return { total, available: Math.max(0, Math.min(total, available) - (contained ? 0 : mapped)) };
}

/** Whether a part of a plan lies in memory of its device's own, and not in the machine's. */
const ownsMemory = ({ freeMemory }: DevicePart): boolean => freeMemory > 0;

/** The part without the scratch that its device has already. */
const withoutHeldScratch = (part: DevicePart): DevicePart => ({
  ...part,
  scratch: part.scratch - part.heldScratch,
  total: part.total - part.heldScratch,
});

/**
 * Throws MemoryError for work of an open model that does not fit one of its devices. `sequences` are the bytes that its sequences hold already, on
 * all devices together; each holds the share that it has in the plan's keys and values.
 */
export function checkMemory(plan: MemoryPlan, sequences: number, limits = memoryLimits()): void {
  const keys = (part: MemoryPart): number => part.kvCache + part.visualKv;
  const held = (part: MemoryPart): number => part.weights + (sequences * keys(part)) / Math.max(1, keys(plan));
  for (const part of plan.devices.filter(ownsMemory).map(withoutHeldScratch))
    check(part, held(part), part.freeMemory, `${formatBytes(part.freeMemory)} of ${part.name} are free`);
  const machine = sum(plan.devices.filter((part) => !ownsMemory(part)));
  const { available, total } = limits;
  check(machine, held(machine), available, `${formatBytes(available)} of ${formatBytes(total)} are available`);
}

function check(part: MemoryPart, held: number, available: number, there: string): void {
  const needed = part.total - held;
  if (needed <= available) return;
  const parts = [
    ["text context", part.kvCache],
    ["pictures", part.visualKv + part.embeds],
    ["scratch", part.scratch],
  ] as const;
  const largest = parts
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => `${formatBytes(bytes)} ${name}`)
    .join(", ");
  throw new MemoryError(`this needs ${formatBytes(needed)} more memory (${largest}) and ${there}.`, {
    of: "answer",
    needed,
    available,
  });
}

function sum(parts: readonly MemoryPart[]): MemoryPart {
  const total = { weights: 0, kvCache: 0, visualKv: 0, embeds: 0, scratch: 0, total: 0 };
  for (const part of parts) for (const key of Object.keys(total) as (keyof MemoryPart)[]) total[key] += part[key];
  return total;
}

/**
 * The bytes that sequences of a model may still take, on all its devices together. `plan` is any work of it; a device that has a share of the keys and
 * values runs out when that share of them fills it.
 */
export function spareMemory(plan: MemoryPlan, limits = memoryLimits()): number {
  const shares = (["kvCache", "visualKv"] as const).filter((kind) => plan[kind] > 0);
  const shareOf = (part: MemoryPart): number => Math.max(0, ...shares.map((kind) => part[kind] / plan[kind]));
  const places = [
    ...plan.devices.filter(ownsMemory).map((part) => ({ share: shareOf(part), bytes: part.freeMemory })),
    { share: shareOf(sum(plan.devices.filter((part) => !ownsMemory(part)))), bytes: limits.available },
  ];
  return Math.min(...places.filter(({ share }) => share > 0).map(({ share, bytes }) => bytes / share));
}

/** Says where a model's layers stand: "20 of 28 layers on cuda:0 (NVIDIA H100) with 12.1 GB, 8 on cpu (avx512) with 5.2 GB". */
export function describePlaces({ devices }: MemoryPlan): string {
  const layers = devices.reduce((n, part) => n + part.layers, 0);
  return devices
    .filter((part) => part.layers > 0)
    .map((part, i) => {
      const count = i === 0 ? `${part.layers} of ${layers} layers` : String(part.layers);
      return `${count} on ${part.name} with ${formatBytes(part.total)}`;
    })
    .join(", ");
}

/** Whether a plan speaks of more than the machine's own memory. */
export const usesDevices = ({ devices }: MemoryPlan): boolean => devices.some(ownsMemory);

/** Whether all layers of a plan stand in the machine's own memory. */
export const standsInMachine = ({ devices }: MemoryPlan): boolean =>
  devices.every((part) => part.layers === 0 || !ownsMemory(part));
