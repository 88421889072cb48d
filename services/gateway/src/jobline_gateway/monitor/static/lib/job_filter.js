// The filter of the job list, as the address, the list's calls and the bulk acts have it. No page here.

const LISTS = ["queue", "state"];
const TEXTS = ["kind", "owner", "error", "createdAfter", "createdBefore"];

// {queue: [], state: [], kind: "", owner: "", error: "", createdAfter: "", createdBefore: ""} from URLSearchParams.
export function filterOf(params) {
  const lists = LISTS.map((name) => [name, params.getAll(name)]);
  const texts = TEXTS.map((name) => [name, params.get(name) ?? ""]);
  return Object.fromEntries([...lists, ...texts]);
}

export const isEmpty = (filter) => Object.values(filter).every((value) => value.length === 0);

// As a bulk act takes it: what does not filter is left out.
export const bodyOf = (filter) => Object.fromEntries(Object.entries(filter).filter(([, value]) => value.length > 0));
