/** Lists, whole or in pages, as OpenAI's API has them. */
import { z } from '@hono/zod-openapi';

/** A schema with a name, or null: as `nullable` it would be shown as both at once. */
export const orNull = <T extends z.ZodType>(schema: T) => z.union([schema, z.null()]);

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ object: z.literal('list'), data: z.array(item) });
export type ListOf<T extends z.ZodType> = z.infer<ReturnType<typeof listOf<T>>>;

/** The length of a tuple, which JSON Schema lets be shorter. */
export const exactly = (count: number) => ({ minItems: count, maxItems: count });

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({
    object: z.literal('list'),
    data: z.array(item),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  });
export type PageOf<T extends z.ZodType> = z.infer<ReturnType<typeof pageOf<T>>>;
