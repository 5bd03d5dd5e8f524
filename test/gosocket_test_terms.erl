%% Terms that nobody expects in a call, and all the places in arguments where one can stand.
-module(gosocket_test_terms).

-export([hostile/0, places/1, nested/2]).

-type place() :: fun((Hostile :: term()) -> Arguments :: [term()]).

%% Large ones take milliseconds to encode: of some of these few will do.
-type size() :: small | large | few.
-type hostile() :: {Name :: atom(), size(), fun(() -> term())}.

-export_type([place/0, size/0, hostile/0]).

%% They are made by who uses them: to send one to another process is itself work.
-spec hostile() -> [hostile()].
hostile() ->
    [{improper_list, small, fun() -> [a, b | c] end},
     {improper_bytes, small, fun() -> [1, 2 | <<3>>] end},
     {empty_list, small, fun() -> [] end},
     {empty_tuple, small, fun() -> {} end},
     {empty_map, small, fun() -> #{} end},
     {empty_binary, small, fun() -> <<>> end},
     {empty_atom, small, fun() -> '' end},
     {atom, small, fun() -> no_such_thing end},
     {longest_atom, small, fun() -> binary_to_atom(unicode:characters_to_binary(lists:duplicate(255, 16#1f600)), utf8) end},
     {latin1_atom, small, fun() -> list_to_atom(lists:duplicate(255, 16#ff)) end},
     {external_fun, small, fun() -> fun lists:map/2 end},
     {fun_of_deep_things, small, fun() -> Deep = nested(600, fun(Term) -> {Term} end), fun() -> Deep end end},
     {fun_of_funs, small, fun() -> nested(600, fun(Term) -> fun() -> Term end end) end},
     {port, small, fun() -> hd(erlang:ports()) end},
     {port_of_another_node, small, fun() -> foreign(<<102>>, <<1:32, 0>>) end},
     {pid, small, fun() -> self() end},
     {pid_of_another_node, small, fun() -> foreign(<<88>>, <<7:32, 0:32, 1:32>>) end},
     {reference, small, fun() -> make_ref() end},
     {reference_of_another_node, small, fun() -> foreign(<<90, 3:16>>, <<1:32, 2:32, 3:32, 4:32>>) end},
     {array_of_atomics, small, fun() -> atomics:new(40, []) end},
     {bits, small, fun() -> <<1:3>> end},
     {float, small, fun() -> 1.0e308 end},
     {large_integer, small, fun() -> 1 bsl 2399 end},
     {large_negative_integer, small, fun() -> -(1 bsl 2399) end},
     {integer_of_64_bits, small, fun() -> 1 bsl 63 end},
     {negative_integer, small, fun() -> -1 end},
     {nested_511_deep, small, fun() -> nested(511, fun(Term) -> [Term] end) end},
     {list_100_000_deep, large, fun() -> nested(100000, fun(Term) -> [Term] end) end},
     {tail_100_000_deep, few, fun() -> nested(100000, fun(Term) -> [[] | {Term}] end) end},
     {tuple_10_000_deep, small, fun() -> nested(10000, fun(Term) -> {Term} end) end},
     {map_10_000_deep, few, fun() -> nested(10000, fun(Term) -> #{Term => Term} end, 12) end},
     {map_of_100_000_keys, large, fun() -> maps:from_list([{N, N} || N <- lists:seq(1, 100000)]) end},
     {list_of_100_000, few, fun() -> lists:duplicate(100000, peek) end},
     {string_of_100_000, few, fun() -> lists:duplicate(100000, $a) end},
     {binary_of_3_mib, few, fun() -> <<0:(3 bsl 23)>> end},
     {binary_of_8_mib, large, fun() -> <<0:(8 bsl 23)>> end}].

-spec nested(pos_integer(), fun((term()) -> term())) -> term().
nested(Depth, Around) ->
    lists:foldl(fun(_, Term) -> Around(Term) end, inside, lists:seq(1, Depth)).

%% What doubles is nested in itself a few times only, and deep besides.
-spec nested(pos_integer(), fun((term()) -> term()), pos_integer()) -> term().
nested(Depth, Around, Doublings) ->
    Wide = nested(Doublings, Around),
    lists:foldl(fun(_, Term) -> #{key => Term} end, Wide, lists:seq(1, Depth)).

%% An identifier of a node that is not there.
-spec foreign(binary(), binary()) -> term().
foreign(Tag, Rest) ->
    Node = <<"nobody@nowhere">>,
    binary_to_term(<<131, Tag/binary, 119, (byte_size(Node)), Node/binary, Rest/binary>>).

%% ---- places ----

%% Every argument, and everything inside of one: elements, ends of lists, keys and values.
-spec places([term()]) -> [place()].
places(Arguments) ->
    elements(Arguments).

-spec elements([term()]) -> [place()].
elements(List) ->
    lists:append([[fun(Hostile) -> Before ++ [Place(Hostile) | After] end || Place <- within(Term)]
                  || N <- lists:seq(1, length(List)), {Before, [Term | After]} <- [lists:split(N - 1, List)]]).

-spec within(term()) -> [fun((term()) -> term())].
within(Term) ->
    [fun(Hostile) -> Hostile end | inside(Term)].

-spec inside(term()) -> [fun((term()) -> term())].
inside([_ | _] = List) ->
    case io_lib:latin1_char_list(List) of
        true -> [fun(Hostile) -> [hd(List), Hostile] end | ends(List)];
        false -> elements(List) ++ ends(List)
    end;
inside([]) ->
    ends([]);
inside(Tuple) when is_tuple(Tuple) ->
    [fun(Hostile) -> list_to_tuple(Place(Hostile)) end || Place <- elements(tuple_to_list(Tuple))];
inside(Map) when is_map(Map) ->
    [fun(Hostile) -> Map#{Hostile => 1} end
     | [fun(Hostile) -> Map#{Key := Place(Hostile)} end || {Key, Value} <- maps:to_list(Map), Place <- within(Value)]];
inside(_) ->
    [].

-spec ends([term()]) -> [fun((term()) -> term())].
ends(List) ->
    [fun(Hostile) -> List ++ [Hostile] end, fun(Hostile) -> List ++ Hostile end].
