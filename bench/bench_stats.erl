%% @doc Order statistics.
-module(bench_stats).

-export([median/1, spread/1, ratios/2]).

-export_type([spread/0]).

-type spread() :: {Median :: float(), Min :: float(), Max :: float()}.

-spec median([number(), ...]) -> float().
median(Values) ->
    Sorted = lists:sort(Values),
    Count = length(Sorted),
    (lists:nth((Count + 1) div 2, Sorted) + lists:nth(Count div 2 + 1, Sorted)) / 2.

-spec spread([number(), ...]) -> spread().
spread(Values) ->
    {median(Values), float(lists:min(Values)), float(lists:max(Values))}.

%% @doc Of values measured in the same rounds, in the same order.
-spec ratios([number(), ...], [number(), ...]) -> spread().
ratios(Values, Base) ->
    spread(lists:zipwith(fun(V, B) -> V / max(B, 1.0e-9) end, Values, Base)).
