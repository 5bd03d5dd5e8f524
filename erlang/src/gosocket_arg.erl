%% @private
%% @doc Arguments of the API's functions as the protocol's calls carry them.
-module(gosocket_arg).

-export([options/2,
         send/4,
         recv/4,
         select_ref/1,
         reference/1,
         read_class/1,
         sendmsg/5,
         give_to_dead/1]).

-include("gosocket.hrl").

%% A size that is `emsgsize' on every socket.
-define(TOO_LARGE, (1 bsl 63)).

%% @doc Those of the options of an open that are known. Others are ignored, but not what was meant to be one of these: a socket that is
%% opened without it would be less shut off than was asked for. Nor are values of another type.
-spec options(map(), [atom()]) -> {ok, map()} | misspelt.
options(Opts, Known) ->
    Ours = maps:with(Known, Opts),
    _ = [erlang:error({invalid, Option}) || {Key, Value} = Option <- maps:to_list(Ours), not fits(Key, Value)],
    case map_size(Ours) =:= map_size(Opts) orelse not lists:any(fun(Key) -> is_misspelt(Key, Known) end, maps:keys(maps:without(Known, Opts))) of
        true -> {ok, Ours};
        false -> misspelt
    end.

%% Domains, types and protocols are for the helper to judge, and whose the socket is to be for those who know lanes and descriptors.
-spec fits(atom(), term()) -> boolean().
fits(Key, Value) when Key =:= dup; Key =:= debug; Key =:= use_registry -> is_boolean(Value);
fits(netns, Value) -> is_binary(Value) orelse io_lib:latin1_char_list(Value);
fits(_, _) -> true.

-spec is_misspelt(term(), [atom()]) -> boolean().
is_misspelt(Key, Known) ->
    Letters = letters(Key),
    Letters =/= [] andalso lists:any(fun(Right) -> is_near(Letters, letters(Right)) end, Known).

%% Without what people leave out or put in.
-spec letters(term()) -> string().
letters(Key) when is_atom(Key) ->
    letters(atom_to_list(Key));
letters(Key) when is_list(Key); is_binary(Key) ->
    try
        [Char || Char <- string:lowercase(unicode:characters_to_list(Key)), Char =/= $_]
    catch
        error:_ -> []
    end;
letters(_) ->
    [].

%% One letter too many, too few or another one, or two that have changed places.
-spec is_near(string(), string()) -> boolean().
is_near([Char | A], [Char | B]) -> is_near(A, B);
is_near([X, Y | Rest], [Y, X | Rest]) -> true;
is_near(A, B) -> A =:= B orelse rest(A) =:= B orelse A =:= rest(B) orelse rest(A) =:= rest(B).

-spec rest(string()) -> string().
rest([_ | Rest]) -> Rest;
rest([]) -> [].

-spec send(Socket, iodata(), gosocket:send_flags(), timeout() | nowait) -> term() when Socket :: term().
send({'$socket', S}, Data, Flags, Timeout) when is_reference(S), is_list(Flags), ?IS_TIMEOUT(Timeout) ->
    Payload = iolist_to_binary(Data),
    Ref = select_ref(Timeout),
    gosocket_wait:send(Ref, {send, S, self(), Flags, Timeout, Ref, byte_size(Payload)}, Payload, undefined);
send(Socket, Data, Flags, Timeout) ->
    erlang:error(badarg, [Socket, Data, Flags, Timeout]).

-spec recv(Socket, Length :: non_neg_integer(), gosocket:recv_flags(), timeout() | nowait) -> term() when Socket :: term().
recv({'$socket', S}, Length, Flags, Timeout) when is_reference(S), ?IS_LENGTH(Length), is_list(Flags), ?IS_TIMEOUT(Timeout) ->
    Ref = select_ref(Timeout),
    gosocket_wait:call(read_class(Flags), Ref, {recv, S, self(), Length, Flags, Timeout, Ref});
recv(Socket, Length, Flags, Timeout) ->
    erlang:error(badarg, [Socket, Length, Flags, Timeout]).

%% Names a select; made here because the process may hear of it before the call returns.
-spec select_ref(timeout() | nowait) -> reference() | [].
select_ref(nowait) -> make_ref();
select_ref(_) -> [].

%% A cancel may have any term for one: the lane is not to get that beside the call.
-spec reference(term()) -> reference() | [].
reference(Ref) when is_reference(Ref) -> Ref;
reference(_) -> [].

%% What is left of a message is cut from the iovec.
-spec sendmsg(reference(), map(), erlang:iovec(), gosocket:send_flags(), timeout() | nowait) -> term().
sendmsg(S, MsgHdr, Iovec, Flags, Timeout) ->
    {Size, Payload} = payload(Iovec),
    Ref = select_ref(Timeout),
    gosocket_wait:send(Ref, {sendmsg, S, self(), maps:get(addr, MsgHdr, undefined),
                             maps:get(ctrl, MsgHdr, []), Flags, Timeout, Ref, Size},
                       Payload, Iovec).

%% That there are too many parts is for the helper to say, behind what is wrong with other arguments or with the socket.
-spec payload(erlang:iovec()) -> {Size :: non_neg_integer(), binary()}.
payload(Iovec) ->
    case gosocket_iovec:too_many(Iovec) of
        true ->
            {?TOO_LARGE, <<>>};
        false ->
            Payload = iolist_to_binary(Iovec),
            {byte_size(Payload), Payload}
    end.

%% The helper knows of deaths only afterwards.
-spec give_to_dead({ok, pid()} | {error, Reason}) -> {error, einval | not_owner | Reason}.
give_to_dead({ok, Owner}) when Owner =:= self() -> {error, einval};
give_to_dead({ok, _}) -> {error, not_owner};
give_to_dead({error, Reason}) -> {error, Reason}.

%% What was only looked at, or is no data of the stream, is not put back when its reader is dead.
-spec read_class(gosocket:recv_flags()) -> read | peek.
read_class([]) ->
    read;
read_class(Flags) ->
    case [Flag || Flag <- [peek, oob, errqueue], is_member(Flag, Flags)] of
        [] -> read;
        _ -> peek
    end.

%% The helper is to complain about an improper list.
-spec is_member(gosocket:recv_flag(), maybe_improper_list()) -> boolean().
is_member(Flag, [Flag | _]) -> true;
is_member(Flag, [_ | Flags]) -> is_member(Flag, Flags);
is_member(_, _) -> false.
