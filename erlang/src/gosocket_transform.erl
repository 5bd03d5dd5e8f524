%% @doc A parse transform by which source written for OTP's `socket' calls `gosocket' unchanged.
%%
%% Put `-compile({parse_transform, gosocket_transform}).' into a module, or
%% `{erl_opts, [{parse_transform, gosocket_transform}]}.' into rebar.config for a whole application.
%%
%% The module name is exchanged
%% <ul>
%% <li>in calls `socket:f(...)', in `fun socket:f/N', in `-import' and in types: `socket:socket()';</li>
%% <li>where a function takes a module, a function and its arguments: `apply', the kinds of `spawn',
%%     `proc_lib', `timer', `rpc', `erpc' and the start functions of child specifications;</li>
%% <li>in other tuples `{socket, F, [A1, ..., An]}' when gosocket exports `F/n'.</li>
%% </ul>
%% Everything else is data and stays, above all options like `{socket, linger, Value}', and so does every pattern
%% and guard. A module name that is only known at run time (`M = socket, M:open(...)') is not seen.
-module(gosocket_transform).

-export([parse_transform/2]).

%% Where a name without a module leads: functions of this module and imported ones; the rest is erlang's.
-type scope() :: #{{Name :: atom(), arity()} => module() | '_'}.
-type expr() :: erl_parse:abstract_expr().
-type form() :: erl_parse:abstract_form() | erl_parse:form_info().

-define(FROM, socket).
-define(TO, gosocket).

%% What binds a pattern to an expression.
-define(IS_BINDING(Type), (Type =:= match orelse Type =:= maybe_match orelse
                           Type =:= generate orelse Type =:= generate_strict orelse
                           Type =:= b_generate orelse Type =:= b_generate_strict orelse
                           Type =:= m_generate orelse Type =:= m_generate_strict)).

-spec parse_transform([form()], [term()]) -> [form()].
parse_transform(Forms, _Options) ->
    Scope = scope(Forms),
    [form(Form, Scope) || Form <- Forms].

-spec scope([form()]) -> scope().
scope(Forms) ->
    maps:from_list([{Function, Module} || {attribute, _, import, {Module, Functions}} <- Forms,
                                          Function <- Functions]
                   ++ [{{Name, Arity}, '_'} || {function, _, Name, Arity, _} <- Forms]).

%% Other attributes hold any terms, which may look like abstract code and are none.
-spec form(form(), scope()) -> form().
form({attribute, Anno, import, {?FROM, Functions}}, _) ->
    {attribute, Anno, import, {?TO, Functions}};
form({attribute, Anno, Name, Value}, Scope)
  when Name =:= record; Name =:= type; Name =:= opaque; Name =:= nominal; Name =:= spec; Name =:= callback ->
    {attribute, Anno, Name, code(Value, Scope)};
form({function, _, _, _, _} = Function, Scope) ->
    code(Function, Scope);
form(Form, _) ->
    Form.

%% ---- code ----

%% Abstract code is tuples and lists all the way down: what no clause names is searched as it is.
-spec code(term(), scope()) -> term().
code({remote, Anno, Module, Name}, Scope) ->
    {remote, Anno, exchange(code(Module, Scope)), code(Name, Scope)};
code({function, Module, Name, Arity}, _) ->
    {function, exchange(Module), Name, Arity};
code({remote_type, Anno, [Module | NameAndTypes]}, Scope) ->
    {remote_type, Anno, [exchange(Module) | code(NameAndTypes, Scope)]};
code({clause, Anno, Patterns, Guards, Body}, Scope) ->
    {clause, Anno, Patterns, Guards, code(Body, Scope)};
code({Binding, Anno, Pattern, Expr}, Scope) when ?IS_BINDING(Binding) ->
    {Binding, Anno, Pattern, code(Expr, Scope)};
code({call, Anno, Callee, Args}, Scope) ->
    {call, Anno, code(Callee, Scope), code(arguments(callee(Callee, length(Args), Scope), Args), Scope)};
code({tuple, Anno, Elements}, Scope) ->
    {tuple, Anno, code(elements(Elements), Scope)};
code({Field, Anno, {atom, _, start} = Key, Start}, Scope)
  when Field =:= map_field_assoc; Field =:= map_field_exact ->
    {Field, Anno, Key, code(start_function(Start), Scope)};
code(Code, Scope) when is_tuple(Code) ->
    list_to_tuple(code(tuple_to_list(Code), Scope));
code([Head | Tail], Scope) ->
    [code(Head, Scope) | code(Tail, Scope)];
code(Code, _) ->
    Code.

-spec exchange(expr()) -> expr().
exchange({atom, Anno, ?FROM}) -> {atom, Anno, ?TO};
exchange(Expr) -> Expr.

%% ---- calls that take a module, a function and its arguments ----

-spec callee(expr(), arity(), scope()) -> {module(), atom(), arity()} | unknown.
callee({remote, _, {atom, _, Module}, {atom, _, Name}}, Arity, _) ->
    {Module, Name, Arity};
callee({atom, _, Name}, Arity, Scope) ->
    {maps:get({Name, Arity}, Scope, erlang), Name, Arity};
callee(_, _, _) ->
    unknown.

-spec arguments({module(), atom(), arity()} | unknown, [expr()]) -> [expr()].
arguments({rpc, pmap, 3}, [{tuple, Anno, [Module, Name]} | Args]) ->
    [{tuple, Anno, [exchange(Module), Name]} | Args];
arguments({Module, Name, Arity}, Args) ->
    exchange_at(positions(Module, Name, Arity), Args);
arguments(unknown, Args) ->
    Args.

%% Where the module is. With two places for one arity it is the second one when an atom follows, as behind a
%% node: what follows a function's name is a list.
-spec exchange_at([1 | 2], [expr()]) -> [expr()].
exchange_at([], Args) -> Args;
exchange_at([1], [Module | Args]) -> [exchange(Module) | Args];
exchange_at([2], [Arg, Module | Args]) -> [Arg, exchange(Module) | Args];
exchange_at([1, 2], [_, _, {atom, _, _} | _] = Args) -> exchange_at([2], Args);
exchange_at([1, 2], Args) -> exchange_at([1], Args).

-spec positions(module(), atom(), arity()) -> [1 | 2].
positions(Module, Name, Arity) ->
    [Position || {Of, Names, Places} <- callers(), Of =:= Module, lists:member(Name, Names),
                 {Takes, Position} <- Places, Takes =:= Arity].

%% {Module, Functions, [{Arity, Position of the module among the arguments}]}
-spec callers() -> [{module(), [atom()], [{arity(), 1 | 2}]}].
callers() ->
    [{erlang, [apply, hibernate, make_fun, function_exported], [{3, 1}]},
     {erlang, [spawn, spawn_link, spawn_monitor], [{3, 1}, {4, 2}]},
     {erlang, [spawn_opt], [{4, 1}, {5, 2}]},
     {erlang, [spawn_request], [{3, 1}, {4, 1}, {4, 2}, {5, 2}]},
     {proc_lib, [spawn, spawn_link], [{3, 1}, {4, 2}]},
     {proc_lib, [spawn_opt], [{4, 1}, {5, 2}]},
     {proc_lib, [spawn_monitor, hibernate], [{3, 1}]},
     {proc_lib, [start, start_link, start_monitor], [{3, 1}, {4, 1}, {5, 1}]},
     {timer, [apply_after, apply_interval, apply_repeatedly], [{4, 2}]},
     {timer, [tc], [{3, 1}, {4, 1}]},
     {rpc, [call, block_call], [{4, 2}, {5, 2}]},
     {rpc, [cast, async_call], [{4, 2}]},
     {rpc, [multicall], [{3, 1}, {4, 1}, {4, 2}, {5, 2}]},
     {erpc, [call, multicall], [{4, 2}, {5, 2}]},
     {erpc, [cast, multicast], [{4, 2}]},
     {erpc, [send_request], [{4, 2}, {6, 2}]}].

%% ---- tuples ----

-spec elements([expr()]) -> [expr()].
elements([{atom, _, ?FROM} = Module, {atom, _, Name} = F, Args]) ->
    case lists:member({Name, list_length(Args)}, exports()) of
        true -> [exchange(Module), F, Args];
        false -> [Module, F, Args]
    end;
elements([Id, Start, Restart, Shutdown, Type, Modules]) -> % a child specification, supervisor(3)
    [Id, start_function(Start), Restart, Shutdown, Type, Modules];
elements(Elements) ->
    Elements.

%% Arguments may be anything here, so the name decides.
-spec start_function(expr()) -> expr().
start_function({tuple, Anno, [{atom, _, ?FROM} = Module, Name, Args]} = Start) ->
    case may_be_exported(Name) of
        true -> {tuple, Anno, [exchange(Module), Name, Args]};
        false -> Start
    end;
start_function(Expr) ->
    Expr.

-spec may_be_exported(Name :: expr()) -> boolean().
may_be_exported({atom, _, Name}) -> lists:keymember(Name, 1, exports());
may_be_exported(_) -> true.

-spec exports() -> [{atom(), arity()}].
exports() -> ?TO:module_info(exports).

%% Of a literal list, improper or of unknown length otherwise.
-spec list_length(expr()) -> non_neg_integer() | unknown.
list_length({nil, _}) -> 0;
list_length({cons, _, _, Tail}) ->
    case list_length(Tail) of
        unknown -> unknown;
        Length -> Length + 1
    end;
list_length(_) -> unknown.
